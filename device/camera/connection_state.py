"""The state machine of a live source: its state, and when to open it again.

It uses no camera, thread or clock: the caller passes in every event and its time.
"""

import enum
from typing import TYPE_CHECKING, NamedTuple

from corallite.device.system.backoff import backoff_s

if TYPE_CHECKING:
    import random

# The first delay before a source is reopened; each failure doubles it.
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 30.0
# A source that was live for this long has recovered: the delay is reset.
_RECOVERED_S = 30.0
# From opening to the first frame. A network camera can need some seconds.
_OPENING_LIMIT_S = 20.0


class State(enum.Enum):
    """The state of a source."""

    OPENING = "opening"
    LIVE = "live"
    STALE = "stale"
    REOPENING = "reopening"
    GIVEN_UP = "given up"


class Action(enum.Enum):
    """What the caller must do with a source now."""

    NOTHING = "nothing"
    OPEN = "open"
    CLOSE = "close"


class Timeouts(NamedTuple):
    """How long a source may send no frame.

    Attributes:
        stale_after_s: A live source without a frame for this long is stale. After
            twice this time it is closed and reopened.
        give_up_after_s: A source without a frame for this long, and with at least one
            failure, is given up. None: never.
    """

    stale_after_s: float = 5.0
    give_up_after_s: float | None = None


class Status(NamedTuple):
    """What is read together; it is replaced as a whole.

    Attributes:
        state: The current state.
        reason: Why the source is not live, one sentence; "" while it is live, or
            before the first failure.
        failures: How often it could not be opened, or its frames ended, so far.
    """

    state: State = State.LIVE
    reason: str = ""
    failures: int = 0


class ConnectionState:
    """The state of one source.

    Attributes:
        status: The current status; may be read by any thread.
        delay_s: The delay after the last failure.
        failures: Failures since the source last recovered.
    """

    def __init__(
        self,
        timeouts: Timeouts,
        now_s: float,
        rng: "random.Random | None" = None,
        silence: str = "no frames received.",
    ) -> None:
        """Starts in the state OPENING; the source is to be opened at once.

        Args:
            timeouts: How long the source may send no frame.
            now_s: Seconds of a monotonic clock, here and in all methods.
            rng: Adds jitter to the delays. After a network failure, many cameras
                must not reconnect at the same moment.
            silence: The reason if the source sends nothing, one sentence.
        """
        # Imported late: it loads OpenSSL, and recorded sources only need `State`.
        import random

        self.status = Status(State.OPENING)
        self.delay_s = 0.0
        self.failures = 0
        self._timeouts = timeouts
        self._rng = rng or random.Random()
        self._silence = silence
        self._is_open = False
        self._has_failed = False
        self._has_frames = False
        self._first_frame_s = now_s
        self._last_event_s = now_s
        self._last_frame_s = now_s
        self._open_at_s = now_s

    @property
    def state(self) -> State:
        """The current state."""
        return self.status.state

    def note_opening(self, now_s: float) -> None:
        """Records that the caller has begun to open the source."""
        self._is_open = True
        self._has_frames = False
        self._last_event_s = now_s

    def note_frame(self, now_s: float) -> None:
        """Records a frame."""
        if not self._has_frames:
            self._first_frame_s = now_s
        self._has_frames = True
        self._has_failed = False
        self._last_event_s = self._last_frame_s = now_s
        if self.state is not State.LIVE:
            self.status = Status(State.LIVE, failures=self.status.failures)

    def note_failure(self, now_s: float, reason: str) -> None:
        """Records that the source could not be opened, or that its frames ended.

        Args:
            now_s: See `__init__`.
            reason: Why, one sentence.
        """
        if self._has_frames and now_s - self._first_frame_s >= _RECOVERED_S:
            self.failures = 0
        self.failures += 1
        longest_s = backoff_s(self.failures, _FIRST_DELAY_S, _LONGEST_DELAY_S)
        self.delay_s = longest_s * self._rng.uniform(0.5, 1)
        self._is_open = self._has_frames = False
        self._has_failed = True
        self._open_at_s = now_s + self.delay_s
        self.status = Status(State.REOPENING, reason, self.status.failures + 1)

    def check(self, now_s: float) -> Action:
        """Applies all timeouts; returns what the caller must do now.

        CLOSE already counts as a failure. After OPEN, the caller calls `note_opening`.
        """
        if self.state is State.GIVEN_UP:
            return Action.NOTHING
        if self._is_overdue(now_s):
            self.status = self.status._replace(state=State.GIVEN_UP)
            return Action.CLOSE
        if not self._is_open:
            return Action.OPEN if now_s >= self._open_at_s else Action.NOTHING
        silent_s = now_s - self._last_event_s
        stale_s = self._timeouts.stale_after_s
        if silent_s >= (2 * stale_s if self._has_frames else _OPENING_LIMIT_S):
            self.note_failure(now_s, self._silence)
            return Action.CLOSE
        if self.state is State.LIVE and silent_s >= stale_s:
            self.status = self.status._replace(state=State.STALE, reason=self._silence)
        return Action.NOTHING

    def _is_overdue(self, now_s: float) -> bool:
        limit_s = self._timeouts.give_up_after_s
        if limit_s is None or not self._has_failed:
            return False
        return now_s - self._last_frame_s >= limit_s
