"""A model on an Edge TPU that the CPU replaces whenever the Edge TPU fails."""

import threading
import time
from collections.abc import Callable
from typing import Any

from corallite.device.engine.base import (
    AcceleratedEngine,
    Answer,
    Engine,
    Probabilities,
    Status,
)
from corallite.device.engine.detect.open_file import open_file
from corallite.device.engine.edgetpu import client
from corallite.device.engine.edgetpu.accelerator_state import (
    AcceleratorState,
    Limits,
    State,
)
from corallite.device.engine.edgetpu.client import AcceleratorError, RemoteRunner
from corallite.device.image.preprocess import Image
from corallite.device.model import selftest
from corallite.device.model.manifest import Manifest
from corallite.device.system import log
from corallite.device.system.errors import RequestError
from corallite.device.system.log_throttle import is_power_of_two

# What an Edge TPU, its process or a missing one may raise.
_ERRORS = (AcceleratorError, RequestError, OSError)


class Failover(AcceleratedEngine):
    """Classifies on the Edge TPU while it works, else with the CPU fallback.

    One thread, the supervisor, acquires the Edge TPU, watches it, and acquires it
    again. It must be one thread, because the Edge TPU's process ends with the thread
    that started it.
    """

    def __init__(
        self,
        fallback: Engine,
        content: bytes,
        device: str,
        limits: Limits | None = None,
        is_here: Callable[[], bool] | None = None,
    ) -> None:
        """Does not use the Edge TPU until `start`.

        Args:
            fallback: The model on the CPU; used only by this object from now on.
            content: Content of the file that was compiled from the same model.
            device: "edgetpu" for any, "edgetpu:1" for the second.
            limits: Default, those of `Limits`.
            is_here: Returns whether the system shows the Edge TPU. Until it first
                returns True, the Edge TPU does not count as lost. Default, it is
                expected from the start.

        Raises:
            ValueError: `device` has another form.
        """
        self._options = client.parse_device(device)
        self._device = device
        self._fallback = fallback
        self._content = content
        self._limits = limits or Limits()
        self._is_here = is_here
        self._expected: list[Probabilities] | None = None
        # Held during a prediction, so that two do not run at once.
        self._answering = threading.Lock()
        self._accelerator: Engine | None = None
        # Guards the following fields; held only briefly.
        self._guard = threading.Lock()
        self._state = AcceleratorState(self._limits, is_expected=is_here is None)
        self._status = fallback.status()
        self._note_status()
        self._remote: RemoteRunner | None = None
        self._tried = threading.Event()
        self._wake = threading.Event()
        self._supervisor: threading.Thread | None = None

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model, from the fallback."""
        return self._fallback.manifest

    def run(self, pixels_u8: Image) -> Answer:
        """Classifies uint8 RGB [height, width, 3] of the input's size.

        If the Edge TPU fails, the fallback classifies this very image.
        """
        with self._answering:
            answer = self._ask_accelerator(pixels_u8)
            return self._fallback.run(pixels_u8) if answer is None else answer

    def status(self) -> Status:
        """Returns the state; may be called from any thread."""
        return self._status

    def start(self) -> None:
        """Begins to acquire the Edge TPU."""
        if self._supervisor is not None:
            return
        self._tried.clear()
        self._wake.clear()
        with self._guard:
            self._state.start(time.monotonic())
            self._note_status()
        # Daemon: an exit by a second Ctrl-C must not wait for it.
        self._supervisor = threading.Thread(
            target=self._supervise, name=f"supervisor of {self._device}", daemon=True
        )
        self._supervisor.start()

    def wait_started(self, timeout_s: float) -> str:
        """Waits for the first attempt; returns why the Edge TPU is not used, or ""."""
        is_tried, status = self._tried.wait(timeout_s), self._status
        if is_tried and status.state == "ready":
            return ""
        return status.last_error or f"{self._device}: is not ready yet."

    def stop(self) -> None:
        """Releases the Edge TPU, the process and the thread."""
        with self._guard:
            self._state.stop()
            if self._remote is not None:
                self._remote.kill()  # Otherwise `join` would wait for its response.
        self._wake.set()
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.join()
        self._tried.set()  # Ends `wait_started`.

    def _ask_accelerator(self, pixels_u8: Image) -> Answer | None:
        """Returns the Edge TPU's prediction or None; the caller holds `_answering`."""
        if self._accelerator is None:
            return None
        try:
            answer = self._accelerator.run(pixels_u8)
        except AcceleratorError as error:
            self._accelerator = None
            self._note_loss(error)
            return None
        with self._guard:
            self._state.note_answer(time.monotonic())
            if self._status.device != self._device:
                self._note_status(device=self._device)
        return answer

    def _supervise(self) -> None:
        act = {State.AWAITED: self._look, State.LOST: self._try}
        while (state := self._state.state) is not State.STOPPED:
            if wait_s := self._state.wait_s(time.monotonic()):
                self._wake.wait(wait_s)
                self._wake.clear()
            else:
                act.get(state, self._probe)()
        with self._answering:
            self._accelerator = None
        self._drop_remote()
        with self._guard:
            self._note_status(device="cpu")

    def _look(self) -> None:
        """Checks whether the system shows the Edge TPU now."""
        is_here = self._is_here is None or self._is_here()
        with self._guard:
            self._state.note_look(is_here, time.monotonic())
        if not is_here and not self._tried.is_set():
            log.info("%s: not found; the CPU classifies until it is.", self._device)
            self._tried.set()

    def _probe(self) -> None:
        """Runs a test image on an Edge TPU that had no frame for a while."""
        image = selftest.draw_images(self.preprocessing.size_hw)[0]
        with self._answering:
            self._ask_accelerator(image)

    def _try(self) -> None:
        self._drop_remote()
        try:
            accelerator = self._load()
        except _ERRORS as error:
            self._note_failure(error)
        else:
            with self._answering, self._guard:
                if not self._state.note_ready(time.monotonic()):
                    return
                self._accelerator = accelerator
                self._note_status()
            log.info("%s: ready.", self._device)
        self._tried.set()

    def _load(self) -> Engine:
        limits = self._limits
        remote = RemoteRunner(self._options, limits.load_s)
        with self._guard:
            self._remote = remote
            if self._state.state is State.STOPPED:
                raise AcceleratorError("it was stopped")
        remote.load(self._content, limits.load_s)
        accelerator = open_file(self._device, self.manifest, runner=remote)
        if self._expected is None:
            with self._answering:
                self._expected = selftest.ask(self._fallback)
        selftest.ask(accelerator)  # The first inferences take longer.
        remote.limit_s = limits.answer_s
        difference = selftest.differ(selftest.ask(accelerator), self._expected)
        if not difference <= selftest.TOLERANCE:
            raise AcceleratorError(
                f"its probabilities are up to {difference:.2f} off those of the file "
                "for the CPU; check --cpu_model"
            )
        return accelerator

    def _note_loss(self, error: AcceleratorError) -> None:
        sentence = f"{self._device}: lost ({error}); the CPU takes over."
        with self._guard:
            if not self._state.note_failure(time.monotonic()):
                return
            losses = self._status.losses + 1
            self._note_status(device="cpu", losses=losses, last_error=sentence)
        log.warning("%s", sentence)
        self._wake.set()

    def _note_failure(self, error: Exception) -> None:
        reason = str(error).rstrip(".") or type(error).__name__
        sentence = f"{self._device}: cannot be used ({reason}); the CPU takes over."
        with self._guard:
            if not self._state.note_failure(time.monotonic()):
                return
            self._note_status(last_error=sentence)
            failures, delay_s = self._state.failures, self._state.delay_s
        if is_power_of_two(failures):
            log.warning("%s Next try in %g s.", sentence, delay_s)

    def _note_status(self, **changes: Any) -> None:
        """Replaces the status as a whole; the caller holds `_guard`."""
        state = "lost" if self._state.is_lost else "ready"
        self._status = self._status._replace(state=state, **changes)

    def _drop_remote(self) -> None:
        with self._guard:
            remote, self._remote = self._remote, None
        if remote is not None:
            remote.close()
