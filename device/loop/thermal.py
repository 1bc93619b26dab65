"""Lowers the frame rate before heat does. No clock, file or thread is in here."""

from corallite.device.board.sensors import Board, name_throttling

# Between two looks; a heat sink follows what is done within some tens of seconds.
PERIOD_S = 10.0
# So far below the limit the rate is lowered, and so far below it raised again.
_LOWER_BELOW_C = 3.0
_RAISE_BELOW_C = 8.0
_LOWER_FACTOR = 0.8
_RAISE_FACTOR = 1.1
_LEAST_FPS = 1.0
# Where no temperature is known: so many times the least processor time of an inference
# is taken for heat, and up to so many times for none. Not if others keep the
# cores and their caches busy, and not at the first look.
_DRIFT, _NO_DRIFT = 1.5, 1.2
_BUSY_LOAD = 1.0
_DRIFT_FIRST_LOOKS = 3
# Slower for another reason, it would stay so. The rate is not taken below half for it,
# and after so many looks what is now is taken for normal.
_DRIFT_LEAST = 0.5
_DRIFT_LOOKS = 30


class Governor:
    """Finds the frame rate that a board can bear.

    Attributes:
        limit_fps: The highest rate for now; None: any.
        reason: Why there is a limit; "" without.
        lowered: How many times the rate was lowered, from none and further.
    """

    def __init__(self, max_temperature_c: float) -> None:
        """Sets no limit yet; `max_temperature_c` is not to be reached."""
        self.limit_fps: float | None = None
        self.reason = ""
        self.lowered = 0
        self._max_c = max_temperature_c
        self._full_fps = 0.0
        self._least_ms: float | None = None
        self._drift_looks = 0

    def judge(self, board: Board, fps: float, work_ms: float | None) -> None:
        """Looks at the last period and sets the limit for the next.

        Args:
            board: Its end.
            fps: Frames a second in it.
            work_ms: Processor time of an inference, the median; None if unknown.
        """
        drift = self._measure_drift(board, work_ms)
        reason = self._name_strain(board)
        if reason:
            self._lower(fps, reason, _LEAST_FPS)
        elif drift >= _DRIFT:
            text = f"inference takes {drift:.1f} times its least processor time"
            self._lower(fps, text, max(_LEAST_FPS, _DRIFT_LEAST * self._full_fps))
        elif self._is_cool(board) and drift < _NO_DRIFT:
            self._raise()

    def forget_work(self) -> None:
        """Lets another model, or another processor, take another time."""
        self._least_ms, self._drift_looks = None, 0

    def _name_strain(self, board: Board) -> str:
        """Says what is too much for the board; "" if nothing is."""
        bits = name_throttling(board.throttled or 0)
        if bits:
            return f"the firmware says that {', '.join(bits)}"
        hottest_c = board.hottest_c
        if hottest_c is not None and hottest_c >= self._max_c - _LOWER_BELOW_C:
            return f"{hottest_c:.0f} degrees"
        return ""

    def _is_cool(self, board: Board) -> bool:
        hottest_c = board.hottest_c
        return hottest_c is None or hottest_c < self._max_c - _RAISE_BELOW_C

    def _measure_drift(self, board: Board, work_ms: float | None) -> float:
        """Returns the work as a multiple of the least; 1 if better things are known."""
        is_known = board.hottest_c is not None or board.throttled is not None
        if is_known or (board.load is not None and board.load >= _BUSY_LOAD):
            self._drift_looks = 0
            return 1.0
        if work_ms is None:
            return 1.0 if self._least_ms is None else _NO_DRIFT
        if self._least_ms is None or work_ms < self._least_ms:
            self._least_ms = work_ms
        drift = work_ms / self._least_ms
        self._drift_looks = self._drift_looks + 1 if drift >= _DRIFT else 0
        if 0 < self._drift_looks < _DRIFT_FIRST_LOOKS:
            return _NO_DRIFT
        if self._drift_looks < _DRIFT_LOOKS:
            return drift
        self._least_ms, self._drift_looks = work_ms, 0
        return 1.0

    def _lower(self, fps: float, reason: str, least_fps: float) -> None:
        if not fps:
            return
        if self.limit_fps is None:
            self._full_fps = fps
        now_fps = fps if self.limit_fps is None else min(fps, self.limit_fps)
        limit_fps = max(now_fps * _LOWER_FACTOR, min(least_fps, now_fps))
        self.lowered += self.limit_fps is None or limit_fps < self.limit_fps
        self.limit_fps, self.reason = limit_fps, reason

    def _raise(self) -> None:
        if self.limit_fps is None:
            return
        self.limit_fps *= _RAISE_FACTOR
        if self.limit_fps >= self._full_fps:
            self.limit_fps, self.reason = None, ""
