"""A model on an Edge TPU, with its twin on the CPU for whenever that fails."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from corallite.device.engine.base import Status
from corallite.device.engine.classifier import Classifier
from corallite.device.engine.edgetpu import client
from corallite.device.engine.edgetpu.client import AcceleratorError, RemoteInterpreter
from corallite.device.image.preprocess import Image, Preprocessing, fit_image
from corallite.device.model import selftest
from corallite.device.model.manifest import Manifest
from corallite.device.system import log
from corallite.device.system.errors import RequestError
from corallite.device.system.log_throttle import is_power_of_two

# What an Edge TPU, its process or the lack of one may bring on.
_ERRORS = (AcceleratorError, RequestError, OSError)


@dataclass(frozen=True)
class Limits:
    """How long an accelerator may take, and how often it is looked at.

    Attributes:
        answer_s: For an answer; then the twin gives it. Half of the two seconds that
            a frame may wait in all.
        load_s: To load the model and answer for the first time; one on USB is first
            sent its firmware, and then the weights.
        silent_s: Without a frame for so long, it is asked about an image of ours.
        first_delay_s: Before it is tried again; it doubles with each failure.
        longest_delay_s: But to no more than this.
        recovered_s: One that was ready for so long is tried at once when it is lost,
            and the delays start afresh.
        look_s: Between two looks for one that has never been here.
    """

    answer_s: float = 1.0
    load_s: float = 20.0
    silent_s: float = 1.0
    first_delay_s: float = 1.0
    longest_delay_s: float = 60.0
    recovered_s: float = 30.0
    look_s: float = 2.0


class Accelerated:
    """An `Engine`: answers by the accelerator while there is one, else by the twin."""

    def __init__(
        self,
        twin: Classifier,
        content: bytes,
        device: str,
        limits: Limits | None = None,
        is_here: Callable[[], bool] | None = None,
    ) -> None:
        """Leaves the accelerator alone until `start`.

        Args:
            twin: The model on the CPU. It is given over.
            content: Of the file that was compiled from the same model.
            device: "edgetpu" for any, "edgetpu:1" for the second.
            limits: Default, those of `Limits`.
            is_here: The accelerator is left alone, and not missed, until this says
                yes for the first time; default, it is expected from the start.

        Raises:
            ValueError: `device` is another.
        """
        self._options = client.parse_device(device)
        self._device = device
        self._twin = twin
        self._content = content
        self._limits = limits or Limits()
        self._is_here = is_here
        self._expected: list[selftest.Probabilities] | None = None
        # Held while an answer is given, so that no two are asked for at once.
        self._answering = threading.Lock()
        self._accelerator: Classifier | None = None
        self._answered_s = self._ready_s = 0.0
        # Guards what follows; held for an instant only.
        self._guard = threading.Lock()
        self._remote: RemoteInterpreter | None = None
        manifest = twin.manifest
        state = "lost" if is_here is None else "ready"
        self._status = Status(manifest.model, manifest.version, "cpu", state)
        self._failures = 0
        self._closing = threading.Event()
        self._tried = threading.Event()
        self._wake = threading.Event()
        self._keeper: threading.Thread | None = None

    @property
    def manifest(self) -> Manifest:
        """The twin's, which is the model's."""
        return self._twin.manifest

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each output, in order."""
        return self._twin.labels

    @property
    def preprocessing(self) -> Preprocessing:
        """How `classify` brings an image to the input's size."""
        return self._twin.preprocessing

    def classify(self, image_rgb_u8: Image) -> npt.NDArray[np.float32]:
        """Classifies uint8 RGB [height, width, 3] of any size: float32 [classes]."""
        return self.run(fit_image(image_rgb_u8, self.preprocessing))

    def run(self, pixels_u8: Image) -> npt.NDArray[np.float32]:
        """Classifies uint8 RGB [height, width, 3] of the input's size.

        If the accelerator fails, the twin answers for this image already.
        """
        with self._answering:
            answer = self._ask_accelerator(pixels_u8)
            if answer is not None:
                return answer
            if self._status.device != "cpu":
                self._note(device="cpu")
            return self._twin.run(pixels_u8)

    def renew(self) -> None:
        """Does nothing: it has one model."""

    def status(self) -> Status:
        """Tells how it is; may be called from any thread."""
        return self._status

    def start(self) -> None:
        """Begins to look for the accelerator; the twin answers until it is found."""
        if self._keeper is not None:
            return
        self._closing.clear()
        self._tried.clear()
        self._failures = 0
        # Daemon: an exit by a second Ctrl-C must not wait for it.
        self._keeper = threading.Thread(
            target=self._keep, name=f"keeper of {self._device}", daemon=True
        )
        self._keeper.start()

    def wait_started(self, timeout_s: float) -> str:
        """Waits until the accelerator was first tried; returns why not, or ""."""
        if self._tried.wait(timeout_s) and self._status.state == "ready":
            return ""
        return self._status.last_error or f"{self._device}: is not ready yet."

    def pause(self) -> None:
        """Gives the accelerator back; `start` takes it again."""
        self._closing.set()
        self._wake.set()
        with self._guard:
            if self._remote is not None:
                self._remote.kill()  # Else its first answer would be waited for.
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.join()
        self._tried.set()  # Nobody needs to wait any longer.

    def close(self) -> None:
        """Gives back the process and the thread."""
        self.pause()
        self._twin.close()

    def _ask_accelerator(self, pixels_u8: Image) -> npt.NDArray[np.float32] | None:
        """Returns its answer; None if there is none. Needs `_answering`."""
        if self._accelerator is None:
            return None
        try:
            answer = self._accelerator.run(pixels_u8)
        except AcceleratorError as error:
            self._lose(error)
            return None
        self._answered_s = time.monotonic()
        if self._status.device != self._device:
            self._note(device=self._device)
        return answer

    def _lose(self, error: AcceleratorError) -> None:
        self._accelerator = None
        # One that is lost again and again is tried ever more rarely.
        is_recovered = time.monotonic() - self._ready_s >= self._limits.recovered_s
        self._failures = 0 if is_recovered else self._failures + 1
        if not self._closing.is_set():
            sentence = f"{self._device}: lost ({error}); the CPU stands in."
            losses = self._status.losses + 1
            self._note(state="lost", losses=losses, last_error=sentence)
            log.warning("%s", sentence)
        self._wake.set()

    def _note(self, **changes: object) -> None:
        with self._guard:
            self._status = replace(self._status, **changes)  # type: ignore[arg-type]

    def _keep(self) -> None:
        """Finds the accelerator, looks after it, and finds it again.

        All in one thread, because the process ends with the thread that started it.
        """
        self._await_sight()
        while not self._closing.is_set():
            if self._accelerator is not None:
                self._wake.wait(self._limits.silent_s / 2)
                self._wake.clear()
                self._check_silent()
                continue
            self._drop_remote()
            if not self._closing.wait(self._delay_s()):
                self._try()
                self._tried.set()
        with self._answering:
            self._accelerator = None
        self._drop_remote()
        self._note(device="cpu", state="lost" if self._is_here is None else "ready")

    def _await_sight(self) -> None:
        """Waits until the accelerator is here for the first time."""
        while self._is_here is not None and not self._closing.is_set():
            if self._is_here():
                self._is_here = None
                return
            if not self._tried.is_set():
                self._tried.set()
                log.info("%s: is not here; the CPU answers until it is.", self._device)
            self._closing.wait(self._limits.look_s)

    def _delay_s(self) -> float:
        if not self._failures:
            return 0.0
        limits = self._limits
        doubled_s = limits.first_delay_s * 2 ** min(self._failures - 1, 16)
        return min(doubled_s, limits.longest_delay_s)

    def _check_silent(self) -> None:
        """Asks an accelerator that no frame has asked for a while."""
        with self._answering:
            silent_s = time.monotonic() - self._answered_s
            if silent_s >= self._limits.silent_s and not self._closing.is_set():
                image = selftest.draw_images(self.preprocessing.size_hw)[0]
                self._ask_accelerator(image)

    def _try(self) -> None:
        try:
            accelerator = self._load()
        except _ERRORS as error:
            if not self._closing.is_set():
                self._note_failure(error)
            return
        with self._answering:
            self._accelerator = accelerator
            self._answered_s = self._ready_s = time.monotonic()
        self._note(state="ready")
        log.info("%s: ready.", self._device)

    def _load(self) -> Classifier:
        limits = self._limits
        remote = RemoteInterpreter(self._options, limits.load_s)
        with self._guard:
            self._remote = remote
        if self._closing.is_set():
            raise AcceleratorError("it is not wanted any more")
        remote.load(self._content, limits.load_s)
        accelerator = Classifier(
            self._device, manifest=self.manifest, interpreter=remote
        )
        if self._expected is None:
            self._expected = selftest.ask(self)  # The twin, as long as we are in here.
        selftest.ask(accelerator)  # The first answers take longer.
        remote.limit_s = limits.answer_s
        difference = selftest.differ(selftest.ask(accelerator), self._expected)
        if not difference <= selftest.TOLERANCE:
            raise AcceleratorError(
                f"its probabilities are up to {difference:.2f} off those of the file "
                "for the CPU; check --cpu_model"
            )
        return accelerator

    def _note_failure(self, error: Exception) -> None:
        reason = str(error).rstrip(".") or type(error).__name__
        sentence = f"{self._device}: cannot be used ({reason}); the CPU stands in."
        self._failures += 1
        self._note(state="lost", last_error=sentence)
        if is_power_of_two(self._failures):
            log.warning("%s Next try in %g s.", sentence, self._delay_s())

    def _drop_remote(self) -> None:
        with self._guard:
            remote, self._remote = self._remote, None
        if remote is not None:
            remote.close()
