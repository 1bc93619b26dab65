"""Frames of a live source: only the newest, through every interruption."""

import threading
import time
from collections.abc import Callable

from corallite.device.camera.capture import Capture
from corallite.device.camera.connection_state import (
    Action,
    ConnectionState,
    State,
    Status,
    Timeouts,
)
from corallite.device.camera.decode_policy import DecodePolicy
from corallite.device.camera.frame import Frame, FrameStream, SourceGivenUpError
from corallite.device.camera.reader import Reader
from corallite.device.image.preprocess import Image
from corallite.device.system import log
from corallite.device.system.log_throttle import is_power_of_two

# How often the state and `stop` are checked.
_TICK_S = 0.1
# How long `close` waits for a read to return.
_CLOSE_TIMEOUT_S = 2.0
# A read that hangs keeps its thread and its camera. With this many of them, the source
# is not reopened until one returns.
_MAX_HUNG = 2


class LiveStream(FrameStream):
    """The newest frame of a live source.

    One thread opens the source and reads it. A supervisor thread closes and reopens it
    when it fails or sends nothing. The consumer waits for a new frame, but never for
    the camera itself: a read that hangs is abandoned together with its thread.
    """

    is_live = True

    def __init__(
        self,
        name: str,
        open_capture: Callable[[], Capture],
        timeouts: Timeouts,
        stop: threading.Event,
        turn: Callable[[Image], Image] = lambda image: image,
    ) -> None:
        """Opens the source in the background.

        Args:
            name: Name of the source.
            open_capture: Opens the source; called again after each failure.
            timeouts: When the source is stale, and when it is given up.
            stop: Ends the iteration when it is set.
            turn: Rotates or mirrors each decoded frame, in the reader's thread.
        """
        super().__init__()
        self.opened = 0
        self._name = name
        self._open_capture = open_capture
        self._stop = stop
        self._turn = turn
        self._start_s = time.monotonic()
        self._connection = ConnectionState(
            timeouts,
            self._start_s,
            silence=f"{name}: no frames received; check its connection.",
        )
        self._policy = DecodePolicy()
        self._max_age_s = timeouts.stale_after_s
        self._number = 0
        self._newest: Frame | None = None
        self._is_failure_logged = True
        self._reader: Reader | None = None
        self._hung: list[Reader] = []
        # Guards all of the above. A signal handler must never acquire it.
        self._changed = threading.Condition()
        self._closing = threading.Event()
        # Daemon: an exit by a second Ctrl-C must not wait for it.
        self._supervisor = threading.Thread(
            target=self._supervise, name=f"supervisor of {name}", daemon=True
        )
        self._supervisor.start()

    @property
    def status(self) -> Status:
        """The status of the source, at most a tenth of a second old."""
        return self._connection.status

    def __next__(self) -> Frame:
        """Waits for a frame newer than the last one returned.

        Raises:
            StopIteration: `stop` is set.
            SourceGivenUpError: The source is given up.
        """
        while not self._stop.is_set():
            with self._changed:
                self._policy.note_request()
                if self._newest is None and not self._changed.wait(_TICK_S):
                    self.note_wait()
                frame, self._newest = self._newest, None
                if frame is None and self.state is State.GIVEN_UP:
                    raise SourceGivenUpError(f"Given up: {self.status.reason}")
                if frame is not None and not self._drop_if_old(frame):
                    self._policy.note_taken(time.monotonic())
                    return self.remember(frame._replace(dropped=self.dropped))
        raise StopIteration

    def close(self) -> None:
        """Stops both threads; waits a little for a read that has not returned."""
        self._closing.set()
        self._supervisor.join()
        self._abandon_reader()
        deadline_s = time.monotonic() + _CLOSE_TIMEOUT_S
        for reader in self._hung:
            reader.join(max(0.0, deadline_s - time.monotonic()))
        if any(reader.is_alive() for reader in self._hung):
            log.warning("%s: hangs in its driver; its thread is abandoned.", self._name)

    def _accept(self, reader: Reader, image: Image, captured_s: float) -> None:
        """Stores a frame from `reader`'s thread; replaces one that was not taken."""
        time_s = captured_s - self._start_s
        frame = Frame(0, time_s, self._turn(image), self._name, captured_s)
        if not self._policy.is_requested:
            frame = self.prepare(frame)
        with self._changed:
            if reader is not self._reader:
                return  # The read hung, and another reader has replaced it.
            self.dropped += self._newest is not None
            self._newest = frame._replace(number=self._number)
            self._number += 1
            self._note_frame()
            self._changed.notify()

    def _count_dropped(self, reader: Reader, dropped: int, broken: int) -> int:
        """Counts frames that `_accept` never gets; returns all broken ones."""
        with self._changed:
            self.dropped += dropped
            self._number += dropped
            self.skipped += broken
            # While a consumer waits, only decodable frames count as activity.
            if dropped and not self._policy.is_requested and reader is self._reader:
                self._note_frame()
            return self.skipped

    def _note_frame(self) -> None:
        if self.state is not State.LIVE:
            log.info("%s: live.", self._name)
        self._connection.note_frame(time.monotonic())

    def _drop_if_old(self, frame: Frame) -> bool:
        """Counts and refuses a frame that waited so long that its scene has changed."""
        is_old = time.monotonic() - frame.captured_s > self._max_age_s
        self.dropped += is_old
        return is_old

    def _supervise(self) -> None:
        while not self._closing.wait(_TICK_S if self.opened else 0):
            with self._changed:
                self._step(time.monotonic())
            self.beat()

    def _step(self, now_s: float) -> None:
        was_stale = self.state is State.STALE
        if self._reader is not None and self._reader.ended.is_set():
            self._note_failure(self._reader.failure, now_s)
        action = self._connection.check(now_s)
        if action is Action.OPEN and self._may_open():
            self._open(now_s)
        elif action is Action.CLOSE:
            self._abandon_reader()
        if self.state is State.STALE and not was_stale:
            log.warning("%s: stale, no frames received.", self._name)
        if self.state is State.REOPENING and not self._is_failure_logged:
            self._log_failure()

    def _may_open(self) -> bool:
        self._hung = [reader for reader in self._hung if reader.is_alive()]
        return len(self._hung) < _MAX_HUNG

    def _open(self, now_s: float) -> None:
        self.opened += 1
        self._connection.note_opening(now_s)
        reader = Reader(
            self._name,
            self._open_capture,
            self._policy.should_decode,
            self._accept,
            self._count_dropped,
        )
        try:
            reader.start()
        except RuntimeError as error:  # No memory for a thread.
            self._note_failure(f"{self._name}: {error}.", now_s)
            return
        self._reader = reader

    def _note_failure(self, failure: str, now_s: float) -> None:
        self._reader = None
        self._is_failure_logged = False
        self._connection.note_failure(now_s, failure)

    def _log_failure(self) -> None:
        self._is_failure_logged = True
        if is_power_of_two(self._connection.failures):
            delay_s = self._connection.delay_s
            log.warning("%s Next try in %.1f s.", self.status.reason, delay_s)

    def _abandon_reader(self) -> None:
        if self._reader is not None:
            self._is_failure_logged = False
            self._reader.ask_to_stop()
            self._hung.append(self._reader)
            self._reader = None
