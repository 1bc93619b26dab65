"""Keeps the loop to the requested frame rate, and to a lower one on a hot board."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from corallite.device.board.sensors import Board, ask_firmware, read_board
from corallite.device.loop.thermal import PERIOD_S
from corallite.device.system import log

_TICK_S = 0.1


class Throttle(Protocol):
    """Finds the frame rate for a board, such as a `ThermalThrottle`."""

    limit_fps: float | None
    model: str | None
    reason: str
    lowered: int

    def update(self, board: Board, fps: float) -> None:
        """Sets the limit for the next period."""


class RateLimitStatus(NamedTuple):
    """The limit and its reason, for logs, pages and metrics.

    Attributes:
        board: The sensors, at most `PERIOD_S` ago.
        limit_fps: The frame rate that the temperature allows, or that the policy
            chose; None: unlimited.
        model: The models that the policy chose; None without a policy.
        reason: Why, as part of a sentence; "" without a limit.
        lowered: How many times the limit was lowered so far.
        fps: Frames per second in the last period.
    """

    board: Board = Board()
    limit_fps: float | None = None
    model: str | None = None
    reason: str = ""
    lowered: int = 0
    fps: float = 0.0


class RateLimiter:
    """Delays the loop before each frame; a thread reads the board's sensors.

    Attributes:
        on_wait: Called every tenth of a second during a delay.
    """

    def __init__(
        self,
        max_fps: float | None = None,
        throttle: Throttle | None = None,
        read_sensors: Callable[[], Board] | None = None,
        period_s: float = PERIOD_S,
    ) -> None:
        """Starts the thread if there is a `throttle`.

        Args:
            max_fps: The highest frame rate, whatever the temperature.
            throttle: Updated every `period_s`.
            read_sensors: Returns the board; default, this one.
            period_s: Seconds between two updates.
        """
        self.on_wait: Callable[[], None] = lambda: None
        self._max_fps = max_fps
        self._read_sensors = read_sensors or read_this_board
        self._period_s = period_s
        self._due_s: float | None = None
        self._frames = 0
        # Replaced as a whole, so that every thread reads values that belong together.
        self._status = RateLimitStatus()
        if throttle is not None:
            self._status = RateLimitStatus(
                limit_fps=throttle.limit_fps,
                model=throttle.model,
                reason=throttle.reason,
            )
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        if throttle is not None:
            self._thread = threading.Thread(
                target=self._watch, args=(throttle,), name="rate limiter", daemon=True
            )
            self._thread.start()

    @property
    def limit_fps(self) -> float | None:
        """`RateLimitStatus.limit_fps`."""
        return self._status.limit_fps

    def wait(self, stop: threading.Event) -> None:
        """Waits until the next frame may be taken, or `stop` is set."""
        self._frames += 1
        fps = min((f for f in (self._max_fps, self.limit_fps) if f), default=None)
        if fps is None:
            return
        now_s = time.monotonic()
        if self._due_s is None:
            self._due_s = now_s
            return
        # At most one late frame is made up for, to avoid a burst.
        self._due_s = max(self._due_s + 1 / fps, now_s - 1 / fps)
        while (left_s := self._due_s - time.monotonic()) > 0:
            if stop.wait(min(left_s, _TICK_S)):
                return
            self.on_wait()

    def close(self) -> None:
        """Stops the thread."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(2 * _TICK_S)

    def status(self) -> RateLimitStatus:
        """Returns the status; may be called from any thread."""
        return self._status

    def _watch(self, throttle: Throttle) -> None:
        start_s, frames = time.monotonic(), 0
        # Not immediately: reading the sensors would delay the first prediction.
        while not self._closing.wait(self._period_s):
            board = self._read_sensors()
            now_s, now_frames = time.monotonic(), self._frames
            fps = (now_frames - frames) / max(now_s - start_s, 1e-9)
            start_s, frames = now_s, now_frames
            throttle.update(board, fps)
            status = RateLimitStatus(
                board,
                *(throttle.limit_fps, throttle.model, throttle.reason),
                *(throttle.lowered, fps),
            )
            # Logged first: who sees a status can read why.
            _log_change(self._status, status)
            self._status = status


def _log_change(former: RateLimitStatus, now: RateLimitStatus) -> None:
    """Logs another choice of a policy, or that a limit begins or ends."""
    if now.model is not None:
        if (now.model, now.limit_fps) != (former.model, former.limit_fps):
            log.info("At most %.1f frames/s: %s.", now.limit_fps, now.reason)
    elif former.limit_fps is None and now.limit_fps is not None:
        log.warning("Limited to %.1f frames/s: %s.", now.limit_fps, now.reason)
    elif former.limit_fps is not None and now.limit_fps is None:
        log.info("The frame rate is unlimited again.")


def read_this_board() -> Board:
    """Returns this board's sensors; may take seconds where vcgencmd is needed."""
    board = read_board(Path("/"))
    if board.throttled is None:
        return board._replace(throttled=ask_firmware())
    return board
