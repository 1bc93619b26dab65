"""The camera's loop in a thread of its own, and the newest of what it saw."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from corallite.device.camera.connection_state import State
from corallite.device.camera.frame import Frame, FrameStream
from corallite.device.engine.base import Engine
from corallite.device.image.preprocess import Image
from corallite.device.loop.classify_frames import (
    FRAME_FAILURES,
    Result,
    classify_frames,
)
from corallite.device.loop.rate_limit import RateLimiter
from corallite.device.loop.smoothing import Smoother
from corallite.device.system import log
from corallite.device.system.fps import Rate
from corallite.device.system.log_throttle import is_power_of_two

_PAUSE_S = 0.5
_JOIN_S = 1.0
_ENDED = "ended"


@dataclass(frozen=True)
class Snapshot:
    """One frame and what was seen on it.

    Attributes:
        image_rgb_u8: uint8 RGB [height, width, 3]. Not to be changed.
        result: Of the loop.
        seen_s: When it was ready, on `time.monotonic`'s clock.
    """

    image_rgb_u8: Image
    result: Result
    seen_s: float


class Camera:
    """Classifies the frames of a source until told to stop.

    Attributes:
        name: Of the source.
        newest: What was seen last; None before the first frame.
        rate: Of the frames that were classified.
        failures: How many frames could not be classified.
        beats: Grows as long as the loop goes on, also while it waits for a frame.
        last_error: The last thing that went wrong, one sentence; "" if nothing has.
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
    ) -> None:
        """Is not started yet.

        Args:
            name: What to call the source.
            frames: Of an open source, which nobody else reads.
            engine: Only this thread may use it; such as an `EngineHandle`.
            stop: Ends the loop.
            top_k: How many labels a result has.
            smoother: Averages over frames.
            observe: Called with each result, in the loop's thread.
            rate_limiter: Waited for before each frame is taken; default, none.
        """
        self.name = name
        self.newest: Snapshot | None = None
        self.rate = Rate()
        self.failures = 0
        self.beats = 0
        self.last_error = ""
        self.frames = frames
        self._engine = engine
        self._stop = stop
        self._top_k = top_k
        self._smoother = smoother
        self._observe = observe
        self._rate_limiter = rate_limiter
        self._taken: Frame | None = None
        self._end = ""
        # Daemon: a driver that hangs must not keep the process.
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    @property
    def state(self) -> str:
        """The source's state, or "ended", "given up" or "failed" if no more comes."""
        return self._end or self.frames.state.value

    @property
    def is_over(self) -> bool:
        """Whether the source has come to its end or was given up, as it may."""
        return self._end in (_ENDED, State.GIVEN_UP.value)

    def beat(self) -> None:
        """Tells that the loop goes on; for its own thread."""
        self.beats += 1

    def start(self) -> None:
        """Starts the loop."""
        self.frames.on_wait = self.beat
        self._thread.start()

    def join(self) -> None:
        """Waits a little for the loop to end, once `stop` is set."""
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        end = "failed"
        try:
            while not self._stop.is_set():
                self.beat()
                if self._classify_all():
                    end = _ENDED
                    return
                if self.frames.state is State.GIVEN_UP:
                    end = State.GIVEN_UP.value
                    return
                self._stop.wait(_PAUSE_S)
        finally:
            if end == "failed" and not self.last_error:
                self.last_error = "The camera's loop broke down; see the log."
            self._end = end
            log.info("%s: %s.", self.name, end)

    def _classify_all(self) -> bool:
        """Returns whether the frames came to their end; False if something failed."""
        results = classify_frames(
            self._remember(),
            self._engine,
            self._stop,
            self._top_k,
            self._smoother,
            self._rate_limiter,
        )
        try:
            for result in results:
                self._accept(result)
        except FRAME_FAILURES as error:
            self._note(error)
            return False
        return True

    def _remember(self) -> Iterator[Frame]:
        for frame in self.frames:
            self._taken = frame
            yield frame

    def _accept(self, result: Result) -> None:
        self.beat()
        self.rate.tick()
        self._observe(result)
        if self._taken is not None:
            image_rgb_u8 = self._taken.image_rgb_u8
            self.newest = Snapshot(image_rgb_u8, result, time.monotonic())

    def _note(self, error: BaseException) -> None:
        self.failures += 1
        self.last_error = str(error) or type(error).__name__
        if is_power_of_two(self.failures):
            log.warning("%s, failure %d: %s", self.name, self.failures, error)
