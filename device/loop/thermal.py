"""Lowers the frame rate before the board overheats. Has no clock, file or thread."""

from corallite.device.board.sensors import Board, name_throttling

# Between two updates; a heat sink takes some tens of seconds to follow a change.
PERIOD_S = 10.0
# The rate is lowered this close to the limit, and raised again this far below it.
_LOWER_BELOW_C = 3.0
_RAISE_BELOW_C = 8.0
_LOWER_FACTOR = 0.8
_RAISE_FACTOR = 1.1
_MIN_FPS = 1.0


class ThermalThrottle:
    """Finds the frame rate at which a board stays below a temperature.

    A board without a temperature sensor is throttled only if its firmware reports it.

    Attributes:
        limit_fps: The highest rate for now; None: unlimited.
        model: None: the rate alone is limited.
        reason: Why there is a limit, as part of a sentence; "" without a limit.
        lowered: How many times the rate was lowered.
    """

    def __init__(self, max_temperature_c: float) -> None:
        """Starts without a limit; the board should stay below `max_temperature_c`."""
        self.limit_fps: float | None = None
        self.model: str | None = None
        self.reason = ""
        self.lowered = 0
        self._max_c = max_temperature_c
        self._full_fps = 0.0

    def update(self, board: Board, fps: float) -> None:
        """Sets the limit for the next period.

        Args:
            board: The sensors at the end of the last period.
            fps: Frames per second in that period.
        """
        hottest_c = board.hottest_c
        if reason := self._find_reason(board):
            self._lower(fps, reason)
        elif hottest_c is None or hottest_c < self._max_c - _RAISE_BELOW_C:
            self._raise()

    def _find_reason(self, board: Board) -> str:
        """Returns why the rate must be lowered; "" if it need not."""
        if bits := name_throttling(board.throttled or 0):
            return f"the firmware says that {', '.join(bits)}"
        hottest_c = board.hottest_c
        if hottest_c is not None and hottest_c >= self._max_c - _LOWER_BELOW_C:
            return f"{hottest_c:.0f} degrees"
        return ""

    def _lower(self, fps: float, reason: str) -> None:
        if not fps:
            return
        if self.limit_fps is None:
            self._full_fps = fps
        now_fps = fps if self.limit_fps is None else min(fps, self.limit_fps)
        limit_fps = max(now_fps * _LOWER_FACTOR, min(_MIN_FPS, now_fps))
        self.lowered += self.limit_fps is None or limit_fps < self.limit_fps
        self.limit_fps, self.reason = limit_fps, reason

    def _raise(self) -> None:
        if self.limit_fps is None:
            return
        self.limit_fps *= _RAISE_FACTOR
        if self.limit_fps >= self._full_fps:
            self.limit_fps, self.reason = None, ""
