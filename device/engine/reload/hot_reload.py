"""An engine whose model can be replaced by another while it runs."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from corallite.device.engine import base
from corallite.device.engine.open_model import ModelRequest, open_model
from corallite.device.engine.reload.model_watch import ModelWatch, Stamp, read_stamp
from corallite.device.engine.reload.reload_state import ReloadState
from corallite.device.image.preprocess import Image
from corallite.device.model.manifest import Manifest
from corallite.device.system import log
from corallite.device.system.errors import RequestError

_LOOK_S = 1.0
# For a large model on a small board that is busy with the loop.
_TRIAL_LIMIT_S = 60.0
# For an Edge TPU to be acquired before the first frame.
_START_LIMIT_S = 10.0
# For an Edge TPU to take another model: loading and the first answers.
_SETTLE_LIMIT_S = 30.0
_CLOSE_LIMIT_S = 2.0
# What a model, a runtime or the lack of memory may cause without a crash; the watcher
# must outlive it.
_ERRORS = (RequestError, RuntimeError, ValueError, OSError)
_TRIAL_CODE = """
from corallite.device.engine.reload import trial
trial.main(*sys.argv[1:])
"""


@dataclass(frozen=True)
class _Record:
    """What has come of the files so far; published at once.

    Attributes:
        swaps: How many models were replaced.
        failure: Why the last file is not used; "" if it is.
        error_then: The engine's last error when that failed.
    """

    swaps: int = 0
    failure: str = ""
    error_then: str = ""


class HotReload(base.Engine):
    """Runs the model of a file, and of each file that replaces it.

    A changed file is tried in another process, loaded here, asked about drawn images,
    and takes over before the next image. If anything is wrong with it, the former model
    continues, and the file is left alone until it changes again.
    """

    def __init__(self, request: ModelRequest, *, look_s: float = _LOOK_S) -> None:
        """Loads the model; changes are looked for from `start` on.

        Args:
            request: What to load, now and later.
            look_s: Seconds between two looks at the files; they must be the same in
                two looks to be tried.

        Raises:
            RequestError: It cannot be run.
        """
        self._request = request
        # Each once, in order.
        self._paths = list(dict.fromkeys((request.path, request.fallback_path)))
        self._look_s = look_s
        # First, so that a change while it is loaded is not missed.
        self._watch = ModelWatch(read_stamp(self._existing_paths()))
        # The thread that asks takes over; the watcher does all the rest.
        self._guard = threading.Lock()
        self._models = ReloadState[base.Engine](open_model(request))
        self._switched = threading.Event()
        self._record = _Record()
        self._is_asked = threading.Event()
        self._closing = threading.Event()
        # Daemon: it may wait for a trial, which ends with this process.
        self._watcher = threading.Thread(
            target=self._look, name="watcher of the model", daemon=True
        )

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model that gave the last answer."""
        return self._models.current.manifest

    def run(self, pixels_u8: Image) -> base.Probabilities:
        """Classifies uint8 RGB [height, width, 3] of the size of `preprocessing`.

        A new model takes over before.

        Raises:
            OutdatedPixelsError: It did, and needs another size or crop.
        """
        if self._models.is_waiting:
            self._take_over()
        return self._models.current.run(pixels_u8)

    def status(self) -> base.Status:
        """Returns the state; may be called from any thread."""
        status, record = self._models.current.status(), self._record
        is_newer = record.failure and status.last_error == record.error_then
        error = record.failure if is_newer else status.last_error
        return replace(status, swaps=record.swaps, last_error=error)

    def start(self) -> None:
        """Acquires the accelerator, if there is one, and begins to look for changes."""
        _start(self._models.current, _START_LIMIT_S)
        self._watcher.start()

    def ask_to_swap(self) -> None:
        """Has the file tried, changed or not; for the handler of a signal."""
        self._is_asked.set()

    def close(self) -> None:
        """Releases processes and threads; the engine cannot be used any more."""
        self._closing.set()
        _stop(self._models.current)  # Ends what the watcher waits for.
        if self._watcher.is_alive():
            self._watcher.join(_CLOSE_LIMIT_S)
        for engine in (self._models.current, self._models.other):
            _stop(engine)

    def _take_over(self) -> None:
        before = self.preprocessing
        with self._guard:
            self._models.take_over()
        self._switched.set()
        if self.preprocessing != before:
            raise base.OutdatedPixelsError

    def _existing_paths(self) -> list[str]:
        self._paths = [path for path in self._paths if os.path.exists(path)]
        return self._paths

    def _look(self) -> None:
        while not self._closing.wait(self._look_s):
            stamp = read_stamp(self._paths)
            if self._watch.look(stamp, self._is_asked.is_set()):
                self._is_asked.clear()
                self._try(stamp)

    def _try(self, stamp: Stamp) -> None:
        try:
            engine = self._prepare()
        except _ERRORS as error:
            # A file that has changed since is tried again first.
            if read_stamp(self._paths) == stamp:
                self._watch.note_tried(stamp)
                self._note_failure(str(error))
            return
        if read_stamp(self._paths) != stamp or self._closing.is_set():
            return
        self._watch.note_tried(stamp)
        self._replace(engine)

    def _prepare(self) -> base.Engine:
        """Returns the new model, checked; its accelerator is not acquired yet.

        Raises:
            RequestError, RuntimeError, ValueError, OSError: It does not work.
        """
        # Loaded only now that there is something to try.
        from corallite.device.model import selftest
        from corallite.device.system.process.isolated import try_python

        on_cpu = replace(self._request, device="cpu").to_json()
        process_id = str(os.getpid())
        outcome = try_python(_TRIAL_CODE, on_cpu, process_id, timeout_s=_TRIAL_LIMIT_S)
        if outcome.failure:
            raise RequestError(outcome.failure)
        engine = open_model(self._request)
        selftest.check(engine)
        _require_same_meaning(engine.manifest, self.manifest)
        return engine

    def _replace(self, engine: base.Engine) -> None:
        """Hands over to `engine`, and back if it does not get the accelerator."""
        former = self._models.current
        was_ready = former.status().state == "ready"
        if not self._hand_over(self._models.offer, engine):
            return
        _stop(former)
        reason = _start(engine, _SETTLE_LIMIT_S)
        if reason and was_ready and not self._closing.is_set():
            _stop(engine)
            _start(former)
            self._hand_over(self._models.reject)
            self._note_failure(reason)
            return
        with self._guard:
            self._models.accept()
        self._record = _Record(self._record.swaps + 1)
        manifest = engine.manifest
        name = f"{manifest.model} {manifest.version}".strip()
        log.info("%s: the new model runs (%s).", self._request.path, name)

    def _hand_over(self, change: Callable[..., None], *arguments: base.Engine) -> bool:
        """Has the other model take over and waits for it; tells whether it has."""
        self._switched.clear()
        with self._guard:
            change(*arguments)
        while not self._switched.wait(self._look_s):
            if self._closing.is_set():
                return False  # `close` stops both.
        return True

    def _note_failure(self, reason: str) -> None:
        reason = reason.removeprefix(f"{self._request.path}: ").rstrip(".")
        sentence = (
            f"{self._request.path}: the new model is not used ({reason}); the former "
            "one continues."
        )
        error_then = self._models.current.status().last_error
        self._record = _Record(self._record.swaps, sentence, error_then)
        log.warning("%s", sentence)


def _require_same_meaning(new: Manifest, former: Manifest) -> None:
    """Refuses a change between one label for an image and several.

    Thresholds and outputs were chosen for the former.
    """
    if new.classes.is_multilabel != former.classes.is_multilabel:
        raise RequestError(
            "only one of it and the former model is multi-label; restart the program"
        )


def _start(engine: base.Engine, limit_s: float = 0.0) -> str:
    """Acquires what an engine needs; returns why it has not within `limit_s`, or ""."""
    if not isinstance(engine, base.AcceleratedEngine):
        return ""
    engine.start()
    return engine.wait_started(limit_s)


def _stop(engine: base.Engine | None) -> None:
    if isinstance(engine, base.AcceleratedEngine):
        engine.stop()
