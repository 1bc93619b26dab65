"""An engine whose model can be replaced by another while it runs."""

import dataclasses
import os
import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from corallite.device.engine.base import Status
from corallite.device.engine.open_model import ModelRequest, Startable, open_model
from corallite.device.engine.reload.model_watch import ModelWatch, Stamp, read_stamp
from corallite.device.image.preprocess import Image, Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.system import log
from corallite.device.system.errors import RequestError

_LOOK_S = 1.0
# For a large model on a small board that is busy with the loop.
_TRIAL_LIMIT_S = 60.0
# For an Edge TPU that is there to be taken before the first frame.
_START_LIMIT_S = 10.0
# For it to take another model: loading and the first answers.
_SETTLE_LIMIT_S = 30.0
_CLOSE_LIMIT_S = 2.0
# What a model, a runtime or the lack of memory may bring on without a crash; the
# watcher must outlive it.
_ERRORS = (RequestError, RuntimeError, ValueError, OSError)
_TRIAL_CODE = """
from corallite.device.engine.reload import trial
trial.main(*sys.argv[1:])
"""


class Swapping:
    """An `Engine`: the model of a file, and of whatever file takes its place.

    A changed file is tried in another process, loaded here, asked about images of
    ours, and takes over before the next image. If anything is wrong with it, the
    former one goes on, and the file is left alone until it changes again.
    """

    def __init__(
        self,
        request: ModelRequest,
        *,
        look_s: float = _LOOK_S,
        trial_limit_s: float = _TRIAL_LIMIT_S,
        open_engine: Callable[[ModelRequest], Startable] = open_model,
    ) -> None:
        """Loads the model; changes are looked for from `start` on.

        Args:
            request: What to load, now and later.
            look_s: Seconds between two looks at the files; they must be the same in
                two looks to be tried.
            trial_limit_s: Seconds that a new file's first run may take.
            open_engine: What loads.

        Raises:
            RequestError: It cannot be run.
        """
        self._request = request
        self._paths = [request.path]
        if request.twin_path != request.path:
            self._paths.append(request.twin_path)
        self._look_s = look_s
        self._trial_limit_s = trial_limit_s
        self._open_engine = open_engine
        # First, so that a change while it is loaded is not missed.
        self._watch = ModelWatch(read_stamp(self._existing_paths()))
        self._engine = open_engine(request)
        # Takes over before the next image, in the thread that asks.
        self._next: Startable | None = None
        self._switched = threading.Event()
        self._swaps = 0
        # A failed swap, and what the engine's last error was then.
        self._failure = ("", "")
        self._is_asked = threading.Event()
        self._closing = threading.Event()
        # Daemon: it may wait for a trial, which ends with this process.
        self._watcher = threading.Thread(
            target=self._look, name="watcher of the model", daemon=True
        )

    @property
    def manifest(self) -> Manifest:
        """That of the model which gave the last answer."""
        return self._engine.manifest

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each output of the last answer, in order."""
        return self._engine.labels

    @property
    def preprocessing(self) -> Preprocessing:
        """How `classify` brings an image to the input's size."""
        return self._engine.preprocessing

    def classify(self, image_rgb_u8: Image) -> npt.NDArray[np.float32]:
        """Classifies uint8 RGB [height, width, 3] of any size: float32 [classes].

        A new model takes over before, so that `labels` are those of the answer.
        """
        self.renew()
        return self._engine.classify(image_rgb_u8)

    def run(self, pixels_u8: Image) -> npt.NDArray[np.float32]:
        """Classifies uint8 RGB [height, width, 3] of the size of `preprocessing`.

        No new model takes over here: the pixels are of the present size.
        """
        return self._engine.run(pixels_u8)

    def renew(self) -> None:
        """Lets a new model take over, if one waits."""
        if self._next is not None:
            self._engine, self._next = self._next, None
            self._switched.set()

    def status(self) -> Status:
        """Tells how it is; may be called from any thread."""
        status = self._engine.status()
        failure, error_then = self._failure
        if not failure and not self._swaps:
            return status
        is_newer = failure and status.last_error == error_then
        error = failure if is_newer else status.last_error
        return dataclasses.replace(status, swaps=self._swaps, last_error=error)

    def start(self) -> None:
        """Takes the accelerator, if there is one, and begins to look for changes."""
        self._engine.start()
        self._engine.wait_started(_START_LIMIT_S)
        self._watcher.start()

    def ask_to_swap(self) -> None:
        """Has the file tried, changed or not; for the handler of a signal."""
        self._is_asked.set()

    def close(self) -> None:
        """Gives back processes and threads."""
        self._closing.set()
        self._engine.pause()  # Whoever waits for it waits no longer.
        if self._watcher.is_alive():
            self._watcher.join(_CLOSE_LIMIT_S)
        self._engine.close()
        if self._next is not None:
            self._next.close()

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
            # A file that has changed meanwhile is not at fault yet.
            if read_stamp(self._paths) == stamp:
                self._watch.note_tried(stamp)
                self._note_failure(str(error))
            return
        if read_stamp(self._paths) != stamp or self._closing.is_set():
            engine.close()
            return
        self._watch.note_tried(stamp)
        self._replace(engine)

    def _prepare(self) -> Startable:
        """Returns the new model, found to be sound.

        Raises:
            RequestError, RuntimeError, ValueError, OSError: It is not.
        """
        # Only now that there is something to try.
        from corallite.device.model import selftest
        from corallite.device.system.isolated import try_python

        on_cpu = dataclasses.replace(self._request, device="cpu").to_json()
        limit_s = self._trial_limit_s
        outcome = try_python(_TRIAL_CODE, on_cpu, str(os.getpid()), timeout_s=limit_s)
        if outcome.failure:
            raise RequestError(outcome.failure)
        engine = self._open_engine(self._request)
        try:
            selftest.check(engine)
        except _ERRORS:
            engine.close()
            raise
        return engine

    def _replace(self, engine: Startable) -> None:
        """Hands over to `engine`, and back if it does not get the accelerator."""
        former, was_ready = self._engine, self._engine.status().state == "ready"
        if not self._hand_over(engine):
            return
        former.pause()
        engine.start()
        reason = engine.wait_started(_SETTLE_LIMIT_S)
        if reason and was_ready and not self._closing.is_set():
            engine.pause()
            former.start()
            if self._hand_over(former):
                engine.close()
            self._note_failure(reason)
            return
        self._swaps += 1
        self._failure = ("", "")
        former.close()
        manifest = engine.manifest
        name = f"{manifest.model} {manifest.version}".strip()
        log.info("%s: the new model runs (%s).", self._request.path, name)

    def _hand_over(self, engine: Startable) -> bool:
        """Waits until `engine` has taken over; tells whether it has."""
        self._switched.clear()
        self._next = engine
        while not self._switched.wait(self._look_s):
            if self._closing.is_set():
                return False  # `close` gives both back.
        return True

    def _note_failure(self, reason: str) -> None:
        reason = reason.removeprefix(f"{self._request.path}: ").rstrip(".")
        sentence = (
            f"{self._request.path}: the new model is not used ({reason}); the former "
            "one goes on."
        )
        self._failure = (sentence, self._engine.status().last_error)
        log.warning("%s", sentence)
