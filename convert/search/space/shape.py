"""What a search chooses of a network, and the families that it chooses among.

A shape says how deep each stage is, what its blocks are, and how much wider it is than
the one before. It says nothing of the size: that of the stem is the scale, and the
largest scale that all limits allow follows from a shape by itself. So no network that
breaks a limit is ever trained, and none wastes what it may cost.
"""

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from corallite.device.benchmark.layers.operator import Operator

# The choices of a network, by name.
Shape = Mapping[str, Any]
# Channels of the stem.
LEAST_SCALE, MOST_SCALE = 4.0, 128.0
# Pixels. Smaller images are shrunk less.
_SMALL_SIDE = 64
# From so many channels on, a multiple of 8: kernels compute 8 or 16 at a time, so 20
# may take as long as 32. Below, steps of 8 would be too coarse.
_COARSE = 16


class Choices(Protocol):
    """Chooses values; Optuna's trials do."""

    def suggest_int(self, name: str, low: int, high: int) -> int: ...

    def suggest_float(self, name: str, low: float, high: float) -> float: ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...


@dataclasses.dataclass(frozen=True)
class Family:
    """Networks of one kind.

    Attributes:
        name: Of the family.
        models: Networks in the registry that build them: of small images, and of
            others; or one of all.
        suggest: Chooses a shape.
        configure: Returns the network's configuration for a shape, a scale and a side.
        list_operators: Returns the operators of its int8 file, for a configuration, a
            side and a number of classes.
    """

    name: str
    models: tuple[str, ...]
    suggest: Callable[[Choices], Shape]
    configure: Callable[[Shape, float, int], Any]
    list_operators: Callable[[Any, int, int], list[Operator]]

    def model_of(self, side: int) -> str:
        """Returns the network in the registry for the side of an image in pixels."""
        return self.models[0 if is_small(side) else -1]


class RandomChoices:
    """Chooses evenly.

    Attributes:
        chosen: What was chosen so far, by name.
    """

    def __init__(self, rng: random.Random):
        self._rng = rng
        self.chosen: dict[str, Any] = {}

    def suggest_int(self, name: str, low: int, high: int) -> int:
        return self._keep(name, self._rng.randint(low, high))

    def suggest_float(self, name: str, low: float, high: float) -> float:
        return self._keep(name, self._rng.uniform(low, high))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._keep(name, self._rng.choice(list(choices)))

    def _keep(self, name: str, value: Any) -> Any:
        self.chosen[name] = value
        return value


def is_small(side: int) -> bool:
    """Returns whether the stem does not shrink an image of this side."""
    return side < _SMALL_SIDE


def round_channels(channels: float) -> int:
    """Rounds to a multiple of 4, or of 8 from 16 on; never to 0."""
    step = 4 if channels < _COARSE else 8
    return max(step, round(channels / step) * step)
