"""The state of an accelerator, and what has to be done about it when.

No device, thread or clock is in here: the caller reports what happened, with the time.
"""

import enum
from dataclasses import dataclass

from corallite.device.system.backoff import backoff_s


class State(enum.Enum):
    """What is known of an accelerator."""

    STOPPED = "stopped"  # Nobody looks for it.
    AWAITED = "awaited"  # It has never been here; the CPU answers, and that is fine.
    LOST = "lost"  # It is needed, and does not answer.
    READY = "ready"  # It answers.


@dataclass(frozen=True)
class Limits:
    """How long an accelerator may take, and how often it is tried.

    Attributes:
        answer_s: For an answer; then the CPU gives it. Half of the two seconds that
            a frame may wait in all.
        load_s: To load the model and answer for the first time; one on USB is first
            sent its firmware, and then the weights.
        silent_s: After so long without a frame, it is probed with a drawn image.
        first_delay_s: Before it is tried again; it doubles with each failure.
        longest_delay_s: But to no more than this.
        recovered_s: One that was ready for so long is tried at once when it is lost,
            and the delays start anew.
        look_s: Between two looks for one that has never been here.
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
        failures: How many there were since it last was ready for long.
    """

    def __init__(self, limits: Limits, is_expected: bool) -> None:
        """Starts as stopped.

        Args:
            limits: See there.
            is_expected: Whether it is lost as long as it is not ready, or only once
                it has been here.
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
        """The wait that the last failure brought."""
        limits = self._limits
        return backoff_s(self.failures, limits.first_delay_s, limits.longest_delay_s)

    def start(self, now_s: float) -> None:
        """Begins to look for it."""
        self.state = State.LOST if self._is_expected else State.AWAITED
        self.failures = 0
        self._due_s = now_s

    def stop(self) -> None:
        """Gives it up until the next `start`."""
        self.state = State.STOPPED

    def note_look(self, is_here: bool, now_s: float) -> None:
        """Notes whether the system shows it."""
        self._due_s = now_s if is_here else now_s + self._limits.look_s
        if is_here and self.state is State.AWAITED:
            self._is_expected, self.state = True, State.LOST

    def note_ready(self, now_s: float) -> bool:
        """Notes that the model is loaded; returns False if it was stopped."""
        if self.state is State.STOPPED:
            return False
        self.state, self._ready_s = State.READY, now_s
        self.note_answer(now_s)
        return True

    def note_answer(self, now_s: float) -> None:
        """Notes that it has answered."""
        self._due_s = now_s + self._limits.silent_s

    def note_failure(self, now_s: float) -> bool:
        """Notes that it cannot be loaded or gave no answer.

        Returns:
            False if that is because it was stopped.
        """
        if self.state is State.STOPPED:
            return False
        was_ready, self.state = self.state is State.READY, State.LOST
        # One that is lost again and again is tried ever more rarely.
        is_recovered = was_ready and now_s - self._ready_s >= self._limits.recovered_s
        self.failures = 0 if is_recovered else self.failures + 1
        self._due_s = now_s + self.delay_s
        return True

    def wait_s(self, now_s: float) -> float:
        """Returns the seconds until the next thing has to be done, or 0.0.

        Which depends on the state: AWAITED, look for it; LOST, load the model; READY,
        probe it. The caller then notes the result.
        """
        return max(self._due_s - now_s, 0.0)
