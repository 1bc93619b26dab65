"""Chooses the model and the frame rate for a temperature and a load.

Has no clock, file or thread. Policies were compared in a simulator only, by
`benchmarks/policy`; see docs/results.md.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from corallite.device.board.sensors import Board, name_throttling

# The uses of two models; "first" is the only one with a single model.
MODELS = ("first", "both", "second")
# What RulePolicy looks ahead, in periods of the controller.
_AHEAD = 2.0
# Degrees below the limit: one step down from here on, and up from this far below it.
_LOWER_BELOW_C, _RAISE_BELOW_C = 0.5, 3.5
# Of what a network gets, so that its inputs are about -1 to 1.
_MIDDLE_C, _SPREAD_C, _CHANGE_C = 60.0, 20.0, 2.0

Array = np.ndarray[Any, np.dtype[np.float64]]


class Choice(NamedTuple):
    """A use of the models at a frame rate, as it was measured.

    Attributes:
        model: "first" or "second" for one model alone, "both" for the cascade.
        fps: Frames per second.
        latency_ms: Of one frame.
        watts: Power of the board at that rate, while everything moves.
        accuracy: Top-1, 0 to 1.
    """

    model: str
    fps: float
    latency_ms: float
    watts: float
    accuracy: float


class Policy(Protocol):
    """Chooses what runs in the next period."""

    def choose(self, temperature_c: float, load: float) -> int:
        """Returns the index of a choice.

        Args:
            temperature_c: Temperature of the board at the end of the last period.
            load: The share of its frames in which something moved, 0 to 1.
        """


class RulePolicy:
    """A `Policy`: one step down if the board becomes too hot, one up if it is cool.

    The temperature is extrapolated two periods ahead, because a board follows a change
    of power slowly.
    """

    def __init__(self, count: int, max_temperature_c: float) -> None:
        """Starts with the last of `count` choices, which are in order of power."""
        self._count = count
        self._max_c = max_temperature_c
        self._index = count - 1
        self._last_c: float | None = None

    def choose(self, temperature_c: float, load: float) -> int:
        """Returns the index of a choice; the load does not matter."""
        last_c = temperature_c if self._last_c is None else self._last_c
        expected_c = temperature_c + _AHEAD * (temperature_c - last_c)
        self._last_c = temperature_c
        if expected_c >= self._max_c - _LOWER_BELOW_C:
            self._index = max(self._index - 1, 0)
        elif expected_c < self._max_c - _RAISE_BELOW_C:
            self._index = min(self._index + 1, self._count - 1)
        return self._index


class NetworkPolicy:
    """A `Policy` that was trained: layers with tanh between them, one score a choice.

    Its inputs are those of `scale_inputs`.
    """

    def __init__(
        self, layers: Sequence[tuple[Array, Array]], usable: Sequence[int]
    ) -> None:
        """Takes a network.

        Args:
            layers: Weights `[outputs, inputs]` and bias `[outputs]` of each.
            usable: The scores that count, at least one.
        """
        self._layers = layers
        self._usable = list(usable)
        self._last_c: float | None = None

    def choose(self, temperature_c: float, load: float) -> int:
        """Returns the place in `usable` of the choice with the highest score."""
        x = scale_inputs(temperature_c, self._last_c, load)
        self._last_c = temperature_c
        for number, (weights, bias) in enumerate(self._layers):
            x = weights @ (np.tanh(x) if number else x) + bias
        return int(x[self._usable].argmax())


def scale_inputs(temperature_c: float, last_c: float | None, load: float) -> Array:
    """Returns the inputs of a network: (temperature - 60) / 20, change / 2, load.

    Args:
        temperature_c: At the end of the last period.
        last_c: At the end of the period before that; None: there was none.
        load: See `Policy`.
    """
    change_c = 0.0 if last_c is None else temperature_c - last_c
    degrees = (temperature_c - _MIDDLE_C) / _SPREAD_C
    return np.array([degrees, change_c / _CHANGE_C, load])


class PolicyThrottle:
    """Applies a policy in place of a `ThermalThrottle`, whose interface it has.

    Whatever the policy: at the limit, or while the firmware throttles the board, the
    choice of least power runs. Without a temperature sensor, the last one runs. In each
    period, the power rises by one choice at most.

    Attributes:
        choice: What runs now.
        limit_fps: Its frame rate.
        model: Its models.
        reason: Why, as part of a sentence.
        lowered: How many times a choice of less power replaced another.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        policy: Policy,
        max_temperature_c: float,
        read_load: Callable[[], float] = lambda: 1.0,
        use: Callable[[str], None] = lambda model: None,
    ) -> None:
        """Starts with the last choice.

        Args:
            choices: In order of power.
            policy: Chooses among them.
            max_temperature_c: Below it, the policy decides.
            read_load: Returns the load since the last call, see `Policy`.
            use: Called with the model of each choice.
        """
        self.lowered = 0
        self._choices = choices
        self._policy = policy
        self._max_c = max_temperature_c
        self._read_load = read_load
        self._use = use
        self._index = len(choices) - 1
        self._apply("at the start")

    def update(self, board: Board, fps: float) -> None:
        """Sets the choice for the next period.

        Args:
            board: The sensors at the end of the last period.
            fps: Frames per second in that period; not used.
        """
        load, hottest_c = self._read_load(), board.hottest_c
        index, reason = len(self._choices) - 1, "no temperature is known"
        if hottest_c is not None:
            index = self._policy.choose(hottest_c, load)
            index = 0 if hottest_c >= self._max_c else index
            reason = f"{hottest_c:.0f} degrees"
        if bits := name_throttling(board.throttled or 0):
            index, reason = 0, f"the firmware says that {', '.join(bits)}"
        self.lowered += index < self._index
        # The policy does not know of a limit that applied whatever it chose.
        self._index = min(index, self._index + 1)
        self._apply(reason)

    def _apply(self, reason: str) -> None:
        self.choice = self._choices[self._index]
        self._use(self.choice.model)
        self.limit_fps: float | None = self.choice.fps
        self.model: str | None = self.choice.model
        self.reason = f"the policy chose {self.choice.model}, {reason}"
