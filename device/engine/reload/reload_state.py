"""Which of two models answers while one replaces the other.

No file, thread or clock is in here, and no model is called: the caller reports what
happened.
"""

import enum
from typing import Generic, TypeVar

_Model = TypeVar("_Model")


class State(enum.Enum):
    """Where a replacement stands."""

    SERVING = "serving"  # One model answers, and there is no other.
    OFFERED = "offered"  # The new one takes over before the next image.
    SETTLING = "settling"  # The new one answers; it is not certain that it stays.
    RETURNING = "returning"  # The former takes over again before the next image.


class ReloadState(Generic[_Model]):
    """The model that answers, and the one that replaces it or was replaced.

    Attributes:
        state: The current one.
        current: Answers.
        other: Waits to take over, or was taken over from; None while SERVING.
    """

    def __init__(self, model: _Model) -> None:
        """Serves `model`."""
        self.state = State.SERVING
        self.current = model
        self.other: _Model | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether the other one takes over before the next image."""
        return self.state in (State.OFFERED, State.RETURNING)

    def offer(self, model: _Model) -> None:
        """Has a new model take over before the next image."""
        self.other, self.state = model, State.OFFERED

    def take_over(self) -> None:
        """Notes that the next image is here."""
        if self.other is None or not self.is_waiting:
            return
        former, self.current = self.current, self.other
        if self.state is State.OFFERED:
            self.other, self.state = former, State.SETTLING
        else:
            self.other, self.state = None, State.SERVING

    def accept(self) -> None:
        """Keeps the new model."""
        self.other, self.state = None, State.SERVING

    def reject(self) -> None:
        """Has the former model take over again before the next image."""
        self.state = State.RETURNING
