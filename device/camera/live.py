"""Frames of a live source: the newest only, through every interruption."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from corallite.device.camera.capture import Capture
from corallite.device.camera.connection_state import (
    Action,
    Patience,
    SourceState,
    State,
)
from corallite.device.camera.decode_policy import Demand
from corallite.device.camera.frame import Frame, FrameStream, SourceGivenUpError
from corallite.device.camera.reader import Reader
from corallite.device.image.preprocess import Image
from corallite.device.system import log
from corallite.device.system.log_throttle import is_power_of_two

# How often the state is looked at, and whether to stop.
_TICK_S = 0.1
# For a read to return when the source is closed.
_CLOSE_TIMEOUT_S = 2.0
# A read that never returns keeps its thread and its camera. There may be so many of
# them before a source is not opened again until one is back.
_MAX_HUNG = 2


class LiveStream(FrameStream):
    """The newest frame of a source that goes on by itself.

    A thread opens the source and reads it; another closes and opens it again when it
    fails or falls silent. Whoever iterates waits for a frame that it has not seen,
    and never for the camera itself: a read that hangs is left alone with its thread.
    """

    def __init__(
        self,
        name: str,
        open_capture: Callable[[], Capture],
        patience: Patience,
        stop: threading.Event,
    ) -> None:
        """Opens the source in the background.

        Args:
            name: What to call it.
            open_capture: Opens it; called again after each failure.
            patience: When it is stale, and when given up.
            stop: Ends the iteration when it is set.
        """
        super().__init__()
        self.opened = 0
        self._name = name
        self._open_capture = open_capture
        self._stop = stop
        self._start_s = time.monotonic()
        self._health = SourceState(patience, self._start_s)
        self._demand = Demand()
        self._max_age_s = patience.stale_after_s
        self._number = 0
        self._newest: Frame | None = None
        self._failure = ""
        self._is_told = True
        self._reader: Reader | None = None
        self._hung: list[Reader] = []
        # Guards all of the above. A signal handler must never need it.
        self._changed = threading.Condition()
        self._closing = threading.Event()
        # Daemon: an exit by a second Ctrl-C must not wait for it.
        self._keeper = threading.Thread(
            target=self._keep, name=f"keeper of {name}", daemon=True
        )
        self._keeper.start()

    @property
    def state(self) -> State:
        """The source's state, at most a tenth of a second old."""
        return self._health.state

    def __next__(self) -> Frame:
        """Waits for a frame newer than the last one returned.

        Raises:
            StopIteration: `stop` is set.
            SourceGivenUpError: The source is given up.
        """
        while not self._stop.is_set():
            with self._changed:
                self._demand.note_asked()
                if self._newest is None and not self._changed.wait(_TICK_S):
                    self.note_wait()
                frame, self._newest = self._newest, None
                if frame is None and self.state is State.GIVEN_UP:
                    raise SourceGivenUpError(f"Given up: {self._failure}")
                if frame is not None and not self._is_old(frame):
                    self._demand.note_taken(time.monotonic())
                    return replace(frame, dropped=self.dropped)
        raise StopIteration

    def close(self) -> None:
        """Stops both threads, and waits a little for a read that is under way."""
        self._closing.set()
        self._keeper.join()
        self._leave_reader()
        deadline_s = time.monotonic() + _CLOSE_TIMEOUT_S
        for reader in self._hung:
            reader.join(max(0.0, deadline_s - time.monotonic()))
        if any(reader.is_alive() for reader in self._hung):
            log.warning("%s: hangs in its driver and is left behind.", self._name)

    def _accept(self, reader: Reader, image: Image, captured_s: float) -> None:
        """Takes a frame from `reader`'s thread, in place of one nobody has taken."""
        time_s = captured_s - self._start_s
        frame = Frame(0, time_s, image, self._name, captured_s)
        if not self._demand.is_asked:
            frame = self.prepare(frame)
        with self._changed:
            if reader is not self._reader:
                return  # It hung, and comes too late.
            self.dropped += self._newest is not None
            self._newest = replace(frame, number=self._number)
            self._number += 1
            self._note_life()
            self._changed.notify()

    def _pass_over(self, reader: Reader, passed: int, broken: int) -> int:
        """Counts frames that `_accept` will never see; returns all the broken."""
        with self._changed:
            self.dropped += passed
            self._number += passed
            self.skipped += broken
            # To whom waits for one, only a frame that can be decoded is a sign of life.
            if passed and not self._demand.is_asked and reader is self._reader:
                self._note_life()
            return self.skipped

    def _note_life(self) -> None:
        if self.state is not State.LIVE:
            log.info("%s: live.", self._name)
        self._health.note_frame(time.monotonic())

    def _is_old(self, frame: Frame) -> bool:
        """Nobody took it for long: what is on it is not what is to be seen now."""
        is_old = time.monotonic() - frame.captured_s > self._max_age_s
        self.dropped += is_old
        return is_old

    def _keep(self) -> None:
        while not self._closing.wait(_TICK_S if self.opened else 0):
            with self._changed:
                self._step(time.monotonic())
            self.beat()

    def _step(self, now_s: float) -> None:
        was_stale = self.state is State.STALE
        if self._reader is not None and self._reader.ended.is_set():
            self._fail(self._reader.failure, now_s)
        action = self._health.check(now_s)
        if action is Action.OPEN and self._may_open():
            self._open(now_s)
        elif action is Action.CLOSE:
            self._leave_reader()
        if self.state is State.STALE and not was_stale:
            log.warning("%s: stale, no frame comes.", self._name)
        if self.state is State.REOPENING and not self._is_told:
            self._log_failure()

    def _may_open(self) -> bool:
        self._hung = [reader for reader in self._hung if reader.is_alive()]
        return len(self._hung) < _MAX_HUNG

    def _open(self, now_s: float) -> None:
        self.opened += 1
        self._health.note_opening(now_s)
        reader = Reader(
            self._name,
            self._open_capture,
            self._demand.wants,
            self._accept,
            self._pass_over,
        )
        try:
            reader.start()
        except RuntimeError as error:  # No memory for a thread.
            self._fail(f"{self._name}: {error}.", now_s)
            return
        self._reader = reader

    def _fail(self, failure: str, now_s: float) -> None:
        self._reader = None
        self._failure, self._is_told = failure, False
        self._health.note_failure(now_s)

    def _log_failure(self) -> None:
        self._is_told = True
        if is_power_of_two(self._health.failures):
            wait_s = self._health.delay_s
            log.warning("%s Next try in %.1f s.", self._failure, wait_s)

    def _leave_reader(self) -> None:
        if self._reader is not None:
            self._failure = f"{self._name}: gives no frames; check its connection."
            self._is_told = False
            self._reader.leave()
            self._hung.append(self._reader)
            self._reader = None
