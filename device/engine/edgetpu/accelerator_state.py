"""The state machine of an accelerator: its state, and when to probe or load it.

It uses no device, thread or clock: the caller passes in every event and its time.
"""

import enum
from dataclasses import dataclass

from corallite.device.system.backoff import backoff_s


class State(enum.Enum):
    """The state of an accelerator."""

    STOPPED = "stopped"  # Not in use.
    AWAITED = "awaited"  # Not found so far; the CPU classifies, which is no error.
    LOST = "lost"  # It should work and does not; the CPU classifies.
    READY = "ready"  # It classifies.


@dataclass(frozen=True)
class Limits:
    """Timeouts of an accelerator, and delays between attempts.

    Attributes:
        answer_s: For a prediction; then the CPU makes it. Half of the two seconds
            that a frame may wait in all.
        load_s: For loading the model and the first prediction. A USB accelerator
            first gets its firmware, then the weights.
        silent_s: Without a frame for this long, it is probed with a test image.
        first_delay_s: Delay after the first failure; each further failure doubles it.
        longest_delay_s: Maximum of the delay.
        recovered_s: If it was ready for this long before it is lost, the next attempt
            is immediate, and the delays start again.
        look_s: Time between two searches for one that was never found.
    """

    answer_s: float = 1.0
    load_s: float = 20.0
    silent_s: float = 1.0
    first_delay_s: float = 1.0
    longest_delay_s: float = 60.0
    recovered_s: float = 30.0
    look_s: float = 2.0


class AcceleratorState:
    """The state of one accelerator.

    Attributes:
        state: The current one.
        failures: Failures since it was last ready for `Limits.recovered_s`.
    """

    def __init__(self, limits: Limits, is_expected: bool) -> None:
        """Starts as stopped.

        Args:
            limits: Timeouts and delays.
            is_expected: Whether it counts as lost from the start, or only after it
                was found once.
        """
        self.state = State.STOPPED
        self.failures = 0
        self._limits = limits
        self._is_expected = is_expected
        self._due_s = self._ready_s = 0.0

    @property
    def is_lost(self) -> bool:
        """Whether it should be ready and is not."""
        return self._is_expected and self.state is not State.READY

    @property
    def delay_s(self) -> float:
        """The delay after the last failure."""
        limits = self._limits
        return backoff_s(self.failures, limits.first_delay_s, limits.longest_delay_s)

    def start(self, now_s: float) -> None:
        """Begins to search for it, or to load its model."""
        self.state = State.LOST if self._is_expected else State.AWAITED
        self.failures = 0
        self._due_s = now_s

    def stop(self) -> None:
        """Stops using it until the next `start`."""
        self.state = State.STOPPED

    def note_look(self, is_here: bool, now_s: float) -> None:
        """Records whether the system shows it."""
        self._due_s = now_s if is_here else now_s + self._limits.look_s
        if is_here and self.state is State.AWAITED:
            self._is_expected, self.state = True, State.LOST

    def note_ready(self, now_s: float) -> bool:
        """Records that the model is loaded; returns False if it was stopped."""
        if self.state is State.STOPPED:
            return False
        self.state, self._ready_s = State.READY, now_s
        self.note_answer(now_s)
        return True

    def note_answer(self, now_s: float) -> None:
        """Records that it made a prediction."""
        self._due_s = now_s + self._limits.silent_s

    def note_failure(self, now_s: float) -> bool:
        """Records that loading or a prediction failed.

        Returns:
            False if the reason is that it was stopped.
        """
        if self.state is State.STOPPED:
            return False
        was_ready, self.state = self.state is State.READY, State.LOST
        # One that is lost repeatedly is tried at growing intervals.
        is_recovered = was_ready and now_s - self._ready_s >= self._limits.recovered_s
        self.failures = 0 if is_recovered else self.failures + 1
        self._due_s = now_s + self.delay_s
        return True

    def wait_s(self, now_s: float) -> float:
        """Returns the seconds until the next action is due; 0.0 if it is due now.

        The action depends on the state: AWAITED, search for it; LOST, load the model;
        READY, probe it. The caller then records the result.
        """
        return max(self._due_s - now_s, 0.0)
