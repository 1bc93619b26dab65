"""An engine whose model can be replaced by another while it runs."""

import os
import threading
from collections.abc import Callable
from typing import NamedTuple

from corallite.device.engine import base
from corallite.device.engine.open_model import ModelRequest, open_model
from corallite.device.engine.reload.model_watch import (
    ModelWatch,
    Stamp,
    list_paths,
    read_stamp,
)
from corallite.device.engine.reload.reload_state import ReloadState
from corallite.device.engine.reload.same_meaning import require_same_meaning
from corallite.device.engine.untaught import Untaught
from corallite.device.image.preprocess import Image
from corallite.device.model import selftest
from corallite.device.model.manifest import Manifest
from corallite.device.system import log
from corallite.device.system.errors import RequestError

_LOOK_S = 1.0
# Time to acquire an Edge TPU before the first frame.
_START_LIMIT_S = 10.0
# Time for an Edge TPU to load another model and make its first predictions.
_SETTLE_LIMIT_S = 30.0
_CLOSE_LIMIT_S = 2.0
# What a model, a runtime or a lack of memory may raise; the watcher must continue.
_ERRORS = (RequestError, RuntimeError, ValueError, OSError)

OnTried = Callable[[str, Exception | None], bool]


class _Record(NamedTuple):
    """The results of replacements so far; replaced as a whole.

    Attributes:
        swaps: How many models were replaced.
        failure: Why the newest file is not used; "" if it is.
        error_then: The engine's `last_error` at the time of that failure.
    """

    swaps: int = 0
    failure: str = ""
    error_then: str = ""


class HotReload(base.Engine):
    """Runs the model of a file, and the new model when the file changes.

    A changed file is tried in another process, loaded here, tested on test images, and
    used from the next image on. If anything fails, the former model continues, and the
    file is not tried again until it changes.

    Attributes:
        check: Called with the manifest of a new model; a `RequestError` refuses it.
        on_tested: Called when a new model was loaded and passed its self-test; it is
            used from the next image on.
        on_tried: Called after each trial, unless the file has changed since. Takes the
            reason why the file is not used, or "", and the error, or None. Returns
            whether it has reported this, and the files of the former model, which is
            still in use, are back in their place.
        add_channel: Returns a status with the fields that begin with `channel_`.
    """

    def __init__(self, request: ModelRequest, *, look_s: float = _LOOK_S) -> None:
        """Loads the model; watches the files from `start` on.

        Args:
            request: What to load, now and later.
            look_s: Seconds between two checks of the files; a file is tried when two
                checks find it unchanged.

        Raises:
            RequestError: The model cannot be run.
        """
        self.check: Callable[[Manifest], None] = lambda manifest: None
        self.on_tested: Callable[[], None] = lambda: None
        self.on_tried: OnTried = lambda reason, error: False
        self.add_channel: Callable[[base.Status], base.Status] = lambda status: status
        self._request = request
        self._paths = list_paths(self.requests)
        self._look_s = look_s
        # Before loading, so that a change during loading is noticed.
        self._watch = ModelWatch(read_stamp(self._existing_paths()))
        # The thread that calls `run` switches models; the watcher does the rest.
        self._guard = threading.Lock()
        self._models = ReloadState[base.Engine](self._open_first())
        self._switched = threading.Event()
        self._record = _Record()
        self._is_asked = threading.Event()
        self._closing = threading.Event()
        # Daemon: it may wait for a trial, which ends with this process.
        self._watcher = threading.Thread(
            target=self._look, name="watcher of the model", daemon=True
        )

    @property
    def requests(self) -> tuple[ModelRequest, ...]:
        """What is loaded: one model, unless a subclass has several."""
        return (self._request,)

    def open(self) -> base.Engine:
        """Opens the files as they are now.

        Raises:
            RequestError: The model cannot be run.
        """
        return open_model(self._request)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model that made the last prediction."""
        return self._models.current.manifest

    @property
    def has_successor(self) -> bool:
        """Whether another model than that of the last prediction makes the next one."""
        return self._models.is_waiting

    def run(self, pixels_u8: Image) -> base.Answer:
        """Classifies uint8 RGB [height, width, 3] of the size of `preprocessing`.

        If a new model is ready, it is used from this call on.

        Raises:
            OutdatedPixelsError: The new model needs another size or crop.
        """
        if self._models.is_waiting:
            self._take_over()
        return self._models.current.run(pixels_u8)

    def status(self) -> base.Status:
        """Returns the state; may be called from any thread."""
        status, record = self._models.current.status(), self._record
        is_newer = record.failure and status.last_error == record.error_then
        error = record.failure if is_newer else status.last_error
        status = status._replace(swaps=record.swaps, last_error=error)
        return self.add_channel(status)

    def start(self) -> None:
        """Acquires the accelerator, if there is one, and begins to watch the files."""
        _start(self._models.current, _START_LIMIT_S)
        self._watcher.start()

    def ask_to_swap(self) -> None:
        """Requests a trial of the files, changed or not; for a signal handler."""
        self._is_asked.set()

    def close(self) -> None:
        """Releases processes and threads; the engine cannot be used afterwards."""
        self._closing.set()
        _stop(self._models.current)  # Otherwise the watcher might wait for it.
        if self._watcher.is_alive():
            self._watcher.join(_CLOSE_LIMIT_S)
        for engine in (self._models.current, self._models.other):
            _stop(engine)

    def _open_first(self) -> base.Engine:
        """Opens the model of the start, and runs the self-test that it carries."""
        request = self._request
        if request.is_taught_later and not os.path.exists(request.path):
            return Untaught()
        engine = self.open()
        for part, each in zip(engine.parts, self.requests, strict=True):
            selftest.check_recorded(part, each.path)
        return engine

    def _take_over(self) -> None:
        before = self.preprocessing
        with self._guard:
            if not self._models.is_waiting:
                return  # It was withdrawn.
            self._models.take_over()
        self._switched.set()
        if self.preprocessing != before:
            raise base.OutdatedPixelsError

    def _existing_paths(self) -> list[str]:
        # One that does not exist is not waited for, but the model of `Untaught` is.
        awaited = self._request.path if self._request.is_taught_later else None
        self._paths = [x for x in self._paths if x == awaited or os.path.exists(x)]
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
            # A file that has changed since is tried again instead.
            if read_stamp(self._paths) == stamp:
                self._watch.note_tried(stamp)
                self._note_failure(stamp, str(error), error)
            return
        if read_stamp(self._paths) != stamp or self._closing.is_set():
            return
        self.on_tested()
        self._replace(engine, stamp)

    def _prepare(self) -> base.Engine:
        """Returns the new model, tested; its accelerator is not acquired yet.

        Raises:
            RequestError, RuntimeError, ValueError, OSError: The model fails.
        """
        engine = self.open()
        for part in engine.parts:
            selftest.check(part)
        require_same_meaning(engine.manifest, self.manifest)
        self.check(engine.manifest)
        return engine

    def _replace(self, engine: base.Engine, stamp: Stamp) -> None:
        """Switches to `engine`, and back if it does not get the accelerator.

        Without an image it waits, and withdraws the engine if the file changes.
        """
        former = self._models.current
        was_ready = former.status().state == "ready"
        with self._guard:
            self._models.offer(engine)
        if not self._wait_until_switched(stamp):
            return
        self._watch.note_tried(stamp)
        _stop(former)
        reason = _start(engine, _SETTLE_LIMIT_S)
        if reason and was_ready and not self._closing.is_set():
            _stop(engine)
            _start(former)
            with self._guard:
                self._models.reject()
            if self._wait_until_switched():
                self._note_failure(stamp, reason)
            return
        with self._guard:
            self._models.accept()
        self._record = _Record(self._record.swaps + 1)
        manifest = engine.manifest
        name = f"{manifest.model} {manifest.version}".strip()
        log.info("%s: the new model runs (%s).", self._name(), name)
        if read_stamp(self._paths) == stamp:
            self.on_tried("", None)

    def _wait_until_switched(self, stamp: Stamp | None = None) -> bool:
        """Waits for an image; returns False if `close` or a change came first.

        Args:
            stamp: Of the files of the new model, which is withdrawn if they change.
        """
        while not self._switched.wait(self._look_s):
            if self._closing.is_set():
                return False  # `close` stops both.
            if stamp is not None and read_stamp(self._paths) != stamp:
                with self._guard:
                    if self._models.withdraw():
                        return False
        self._switched.clear()
        return True

    def _name(self) -> str:
        return " with ".join(request.path for request in self.requests)

    def _note_failure(
        self, stamp: Stamp, reason: str, error: Exception | None = None
    ) -> None:
        reason = reason.removeprefix(f"{self._request.path}: ").rstrip(".")
        sentence = (
            f"{self._name()}: the new model is not used ({reason}); the former one "
            "continues."
        )
        error_then = self._models.current.status().last_error
        self._record = _Record(self._record.swaps, sentence, error_then)
        if read_stamp(self._paths) == stamp and self.on_tried(reason, error):
            self._watch.note_tried(read_stamp(self._paths))
        else:
            log.warning("%s", sentence)


def _start(engine: base.Engine, limit_s: float = 0.0) -> str:
    """Starts an engine's accelerator; returns why it is not ready in time, or ""."""
    if not isinstance(engine, base.AcceleratedEngine):
        return ""
    engine.start()
    return engine.wait_started(limit_s)


def _stop(engine: base.Engine | None) -> None:
    if isinstance(engine, base.AcceleratedEngine):
        engine.stop()
