"""What state a live source is in, and when it is to be opened again.

No camera, thread or clock is in here: what happens is told, with the time.
"""

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from corallite.device.system.backoff import backoff_s

if TYPE_CHECKING:
    import random

# The first wait before a source is opened again; it doubles with each failure.
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 30.0
# A source that was live for this long has recovered: the waits start afresh.
_RECOVERED_S = 30.0
# To the first frame after opening. A network camera can take some seconds.
_OPENING_LIMIT_S = 20.0


class State(enum.Enum):
    """What is to be expected of a source."""

    OPENING = "opening"
    LIVE = "live"
    STALE = "stale"
    REOPENING = "reopening"
    GIVEN_UP = "given up"


class Action(enum.Enum):
    """What is to be done about a source."""

    NOTHING = "nothing"
    OPEN = "open"
    CLOSE = "close"


@dataclass(frozen=True)
class Patience:
    """How long a source may be silent.

    Attributes:
        stale_after_s: A live source without a frame for so long is stale; after
            twice that it is closed and opened again.
        give_up_after_s: After so long without a frame, and at least one failure, it
            is given up; None: never.
    """

    stale_after_s: float = 5.0
    give_up_after_s: float | None = None


class SourceState:
    """The state of one source.

    Attributes:
        state: The current one.
        delay_s: The wait that the last failure brought.
        failures: How many there were since the source last was live for long.
    """

    def __init__(
        self, patience: Patience, now_s: float, rng: "random.Random | None" = None
    ) -> None:
        """Is to be opened at once.

        Args:
            patience: How long it may be silent.
            now_s: Seconds of a clock that never goes back, here and everywhere.
            rng: Spreads the waits, so that the cameras of a network that was away
                do not all come back in the same instant.
        """
        # It loads OpenSSL, for which files, that only have a state, would wait.
        import random

        self.state = State.OPENING
        self.delay_s = 0.0
        self.failures = 0
        self._patience = patience
        self._rng = rng or random.Random()
        self._is_open = False
        self._has_failed = False
        self._has_frames = False
        self._first_s = now_s
        self._heard_s = now_s
        self._last_frame_s = now_s
        self._open_at_s = now_s

    def note_opening(self, now_s: float) -> None:
        """Notes that opening has begun."""
        self._is_open = True
        self._has_frames = False
        self._heard_s = now_s

    def note_frame(self, now_s: float) -> None:
        """Notes that a frame has come."""
        if not self._has_frames:
            self._first_s = now_s
        self._has_frames = True
        self._has_failed = False
        self._heard_s = self._last_frame_s = now_s
        self.state = State.LIVE

    def note_failure(self, now_s: float) -> None:
        """Notes that it could not be opened, or gives no more frames."""
        if self._has_frames and now_s - self._first_s >= _RECOVERED_S:
            self.failures = 0
        self.failures += 1
        longest_s = backoff_s(self.failures, _FIRST_DELAY_S, _LONGEST_DELAY_S)
        self.delay_s = longest_s * self._rng.uniform(0.5, 1)
        self._is_open = self._has_frames = False
        self._has_failed = True
        self._open_at_s = now_s + self.delay_s
        self.state = State.REOPENING

    def check(self, now_s: float) -> Action:
        """Moves on to where time alone leads; returns what is to be done now.

        After CLOSE, which counts as a failure, and after OPEN the caller does so.
        """
        if self.state is State.GIVEN_UP:
            return Action.NOTHING
        if self._is_overdue(now_s):
            self.state = State.GIVEN_UP
            return Action.CLOSE
        if not self._is_open:
            return Action.OPEN if now_s >= self._open_at_s else Action.NOTHING
        silent_s = now_s - self._heard_s
        stale_s = self._patience.stale_after_s
        if silent_s >= (2 * stale_s if self._has_frames else _OPENING_LIMIT_S):
            self.note_failure(now_s)
            return Action.CLOSE
        if self._has_frames and silent_s >= stale_s:
            self.state = State.STALE
        return Action.NOTHING

    def _is_overdue(self, now_s: float) -> bool:
        limit_s = self._patience.give_up_after_s
        if limit_s is None or not self._has_failed:
            return False
        return now_s - self._last_frame_s >= limit_s
