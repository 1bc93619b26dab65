"""The camera's classification loop in its own thread, and its state."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from corallite.device.camera.connection_state import State
from corallite.device.camera.frame import Frame, FrameStream, SourceGivenUpError
from corallite.device.engine.base import Engine
from corallite.device.image.preprocess import Image
from corallite.device.loop.classify_frames import (
    FRAME_FAILURES,
    Result,
    classify_frames,
)
from corallite.device.loop.count.counter import BoxCounter
from corallite.device.loop.motion import MotionGate
from corallite.device.loop.rate_limit import RateLimiter
from corallite.device.loop.smoothing import Smoother
from corallite.device.system import log
from corallite.device.system.log_throttle import is_power_of_two

_PAUSE_S = 0.5
_JOIN_S = 1.0
_ENDED, _FAILED, _GIVEN_UP = "ended", "failed", State.GIVEN_UP.value


@dataclass(frozen=True)
class Snapshot:
    """A frame and its prediction.

    Attributes:
        image_rgb_u8: uint8 RGB [height, width, 3]; not to be changed.
        result: The prediction.
        seen_s: Time of the prediction, by `time.monotonic`.
    """

    image_rgb_u8: Image
    result: Result
    seen_s: float


@dataclass(frozen=True)
class CameraStatus:
    """The state of a camera; the loop replaces it as a whole.

    Attributes:
        state: The source's state, or "ended", "given up" or "failed" after the loop.
        newest: The newest frame; None before the first.
        classified: How many frames were classified.
        failures: How many frames could not be classified.
        connection_failures: How often the source could not be opened, or ended.
        last_error: Why the source is not live, else the last error of a frame, one
            sentence; "" without.
    """

    state: str = ""
    newest: Snapshot | None = None
    classified: int = 0
    failures: int = 0
    connection_failures: int = 0
    last_error: str = ""


class Camera:
    """Classifies the frames of a source until it is stopped.

    Attributes:
        name: The source's name.
        frames: The source's frames and its counters.
        counter: Counts boxes; None: nothing does.
        heartbeats: Increases while the loop runs, also while it waits for a frame.
        on_snapshot: Called with each frame and its result, in the loop's thread.
    """

    def __init__(
        self,
        name: str,
        frames: FrameStream,
        engine: Engine,
        stop: threading.Event,
        top_k: int,
        smoother: Smoother,
        observe: Callable[[Result], None],
        rate_limiter: RateLimiter | None = None,
        counter: BoxCounter | None = None,
        gate: MotionGate | None = None,
    ) -> None:
        """Does not start yet.

        Args:
            name: The source's name.
            frames: Frames of an open source; read only by this loop.
            engine: Used only by this thread, such as an `EngineHandle`.
            stop: Ends the loop.
            top_k: How many labels a result has.
            smoother: Averages over frames.
            observe: Called with each result, in the loop's thread.
            rate_limiter: Delays the loop before each frame; default, no delay.
            counter: Counts boxes; default, nothing does.
            gate: Finds frames in which nothing has moved; default, all are classified.
        """
        self.name = name
        self.frames = frames
        self.heartbeats = 0
        self.on_snapshot: Callable[[Snapshot], None] = lambda snapshot: None
        self._engine = engine
        self._stop = stop
        self._top_k = top_k
        self._smoother = smoother
        self._observe = observe
        self._rate_limiter = rate_limiter
        self.counter = counter
        self._gate = gate
        self._taken: Frame | None = None
        # Written by the loop only. Its state is "" until the loop has ended.
        self._status = CameraStatus()
        # Daemon: a driver that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def status(self) -> CameraStatus:
        """Returns the status; may be called from any thread."""
        # The source's state is read once, together with its reason.
        status, source = self._status, self.frames.status
        status = replace(status, connection_failures=source.failures)
        if status.state:
            return status
        # "Given up" waits for the end of the loop, which sets the error with it.
        is_given_up = source.state is State.GIVEN_UP
        state = State.REOPENING if is_given_up else source.state
        error = source.reason or status.last_error
        return replace(status, state=state.value, last_error=error)

    @property
    def newest(self) -> Snapshot | None:
        """The newest frame; None before the first."""
        return self._status.newest

    @property
    def is_over(self) -> bool:
        """Whether the loop has ended without a failure of its own."""
        return self._status.state in (_ENDED, _GIVEN_UP)

    def beat(self) -> None:
        """Counts a heartbeat; called by the loop's thread."""
        self.heartbeats += 1

    def start(self) -> None:
        """Starts the loop."""
        self.frames.on_wait = self.beat
        self._thread.start()

    def join(self) -> None:
        """Waits briefly for the loop to end, after `stop` was set."""
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        end = _FAILED
        try:
            end = self._classify_until_end()
        finally:
            error = self._status.last_error
            if end == _FAILED and not error:
                error = "The camera's loop failed; see the log."
            self._status = replace(self._status, state=end, last_error=error)
            log.info("%s: %s.", self.name, end)

    def _classify_until_end(self) -> str:
        """Returns the final state."""
        while not self._stop.is_set():
            self.beat()
            try:
                self._classify_all()
                return _ENDED
            except SourceGivenUpError as error:
                self._note_failure(error)
                return _GIVEN_UP
            except FRAME_FAILURES as error:
                self._note_failure(error)
            self._stop.wait(_PAUSE_S)
        return _ENDED

    def _classify_all(self) -> None:
        results = classify_frames(
            self._remember(),
            self._engine,
            self._stop,
            self._top_k,
            self._smoother,
            self._rate_limiter,
            gate=self._gate,
        )
        for result in results:
            if self.counter is not None:
                result = self.counter.add(result)
            self.beat()
            self._observe(result)
            self._publish(result)

    def _remember(self) -> Iterator[Frame]:
        for frame in self.frames:
            self._taken = frame
            yield frame

    def _publish(self, result: Result) -> None:
        if self._taken is not None:
            newest = Snapshot(self._taken.image_rgb_u8, result, time.monotonic())
            count = self._status.classified + 1
            self._status = replace(self._status, newest=newest, classified=count)
            self.on_snapshot(newest)

    def _note_failure(self, error: BaseException) -> None:
        failures = self._status.failures + 1
        text = str(error) or type(error).__name__
        self._status = replace(self._status, failures=failures, last_error=text)
        if is_power_of_two(failures):
            log.warning("%s, failure %d: %s", self.name, failures, error)
