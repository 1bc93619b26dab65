"""Keeps the loop to the frame rate that was asked for, and to less while it is hot."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from corallite.device.board.sensors import Board, ask_firmware, read_board
from corallite.device.engine.base import Status
from corallite.device.loop.thermal import PERIOD_S, Governor
from corallite.device.system import log

_TICK_S = 0.1
# Of one period; the median needs no more.
_MAX_WORKS = 1024


@dataclass(frozen=True)
class PaceStatus:
    """What the loop is held to, for logs, pages and metrics.

    Attributes:
        board: As it was at the last look, at most `PERIOD_S` ago.
        limit_fps: The frame rate that heat allows; None: any.
        reason: Why, as part of a sentence; "" without a limit.
        lowered: How many times it was lowered so far.
        fps: Frames a second between the last two looks.
    """

    board: Board = Board()
    limit_fps: float | None = None
    reason: str = ""
    lowered: int = 0
    fps: float = 0.0


class Pace:
    """Holds the loop back before each frame; a thread looks at the board.

    Attributes:
        on_wait: Called every tenth of a second while the loop is held back.
        limit_fps: The frame rate that heat allows; None: any.
    """

    def __init__(
        self,
        max_fps: float | None = None,
        governor: Governor | None = None,
        look: Callable[[], Board] | None = None,
        period_s: float = PERIOD_S,
    ) -> None:
        """Starts to look at the board if there is a governor.

        Args:
            max_fps: Never more frames a second than this.
            governor: Judges every `period_s` what the board can bear.
            look: Returns the board; default, this one.
            period_s: Seconds between two looks.
        """
        self.on_wait: Callable[[], None] = lambda: None
        self.limit_fps: float | None = None
        self._max_fps = max_fps
        self._governor = governor
        self._look = look or look_at_board
        self._period_s = period_s
        self._due_s: float | None = None
        self._frames = 0
        self._works_ms: deque[float] = deque(maxlen=_MAX_WORKS)
        self._worker: tuple[str, int] | None = None
        self._is_other_worker = False
        self._status = PaceStatus()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="pace", daemon=True)
        if governor is not None:
            self._watcher.start()

    def wait(self, stop: threading.Event) -> None:
        """Waits until the next frame may be taken, or `stop` is set."""
        fps = min((f for f in (self._max_fps, self.limit_fps) if f), default=None)
        if fps is None:
            return
        now_s = time.monotonic()
        if self._due_s is None:
            self._due_s = now_s
            return
        # One late frame is made up for, not more: nobody wants a burst.
        self._due_s = max(self._due_s + 1 / fps, now_s - 1 / fps)
        while (left_s := self._due_s - time.monotonic()) > 0:
            if stop.wait(min(left_s, _TICK_S)):
                return
            self.on_wait()

    def note_work(self, processor_s: float, status: Status) -> None:
        """Notes what an inference took; see `Brake`."""
        self._frames += 1
        worker = (status.device, status.swaps)
        if worker != self._worker:
            self._worker, self._is_other_worker = worker, True
        if status.device == "cpu":
            self._works_ms.append(processor_s * 1000)

    def close(self) -> None:
        """Looks at the board no more."""
        self._closing.set()
        if self._governor is not None:
            self._watcher.join(2 * _TICK_S)

    def status(self) -> PaceStatus:
        """Tells how it is; may be called from any thread."""
        return self._status

    def _watch(self) -> None:
        start_s, frames = time.monotonic(), 0
        # Not at once: the first answer is waited for.
        while not self._closing.wait(self._period_s):
            board = self._look()
            now_s, now_frames = time.monotonic(), self._frames
            fps = (now_frames - frames) / max(now_s - start_s, 1e-9)
            start_s, frames = now_s, now_frames
            self._govern(board, fps)

    def _govern(self, board: Board, fps: float) -> None:
        governor = self._governor
        if governor is None:
            return
        governor.judge(board, fps, self._take_work_ms(governor))
        before, self.limit_fps = self.limit_fps, governor.limit_fps
        self._status = PaceStatus(
            board,
            governor.limit_fps,
            governor.reason,
            governor.lowered,
            fps,
        )
        if before is None and governor.limit_fps is not None:
            log.warning(
                "At most %.1f frames/s: %s.", governor.limit_fps, governor.reason
            )
        elif before is not None and governor.limit_fps is None:
            log.info("As many frames/s again as before.")

    def _take_work_ms(self, governor: Governor) -> float | None:
        """Returns the median since the last look; None if it says nothing."""
        works_ms, self._works_ms = self._works_ms, deque(maxlen=_MAX_WORKS)
        if self._is_other_worker:
            # Another model, or the CPU for an Edge TPU: slower is not hotter.
            self._is_other_worker = False
            governor.forget_work()
            return None
        return sorted(works_ms)[len(works_ms) // 2] if works_ms else None


def look_at_board() -> Board:
    """Returns this board as it is now; may take seconds where vcgencmd is asked."""
    board = read_board(Path("/"))
    if board.throttled is None:
        return replace(board, throttled=ask_firmware())
    return board
