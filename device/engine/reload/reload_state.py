"""The state machine of a replacement: which of two models is in use.

It uses no file, thread or clock and calls no model: the caller passes in every event.
"""

import enum
from typing import Generic, TypeVar

_Model = TypeVar("_Model")


class State(enum.Enum):
    """The state of a replacement."""

    SERVING = "serving"  # One model is in use, and there is no other.
    OFFERED = "offered"  # The new one is used from the next image on.
    SETTLING = "settling"  # The new one is in use, but may still be rejected.
    RETURNING = "returning"  # The former one is used from the next image on.


class ReloadState(Generic[_Model]):
    """The model in use, and the one that replaces it or was replaced by it.

    Attributes:
        state: The current state.
        current: The model in use.
        other: The new model, or the former one; None while SERVING.
    """

    def __init__(self, model: _Model) -> None:
        """Starts with `model` in use."""
        self.state = State.SERVING
        self.current = model
        self.other: _Model | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether `other` is to be used from the next image on."""
        return self.state in (State.OFFERED, State.RETURNING)

    def offer(self, model: _Model) -> None:
        """Proposes a new model for the next image."""
        self.other, self.state = model, State.OFFERED

    def withdraw(self) -> bool:
        """Takes a new model back; returns False if it is in use already."""
        if self.state is not State.OFFERED:
            return False
        self.other, self.state = None, State.SERVING
        return True

    def take_over(self) -> None:
        """Switches models if one is waiting; called before each image."""
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
        """Proposes the former model for the next image."""
        self.state = State.RETURNING
