"""Networks of the space that are as large as the limits allow."""

import dataclasses
import math
import random
from collections.abc import Iterator
from typing import Any

from corallite.convert.search.space import inverted, residual, shuffled
from corallite.convert.search.space.interpolate import WIDTHS
from corallite.convert.search.space.prices import Prices
from corallite.convert.search.space.shape import (
    LEAST_SCALE,
    MOST_SCALE,
    Choices,
    Family,
    RandomChoices,
    Shape,
)
from corallite.device.benchmark.layers.operator import Operator
from corallite.device.system.errors import RequestError
from corallite.train.models.network import Network
from corallite.train.models.registry import NETWORKS

FAMILIES = {x.name: x for x in (residual.FAMILY, inverted.FAMILY, shuffled.FAMILY)}
# Widths of published networks that are tried.
_HAND_MADE_WIDTHS = [number / 20 for number in range(40, 1, -1)]
# Random shapes in a row that are too large at their least widths; a second or two.
_MOST_FAILURES = 2000
# Ratio of the sizes of a shape, finer than that of measured widths.
_SIZE_STEP = 1.25
# Halvings of the interval of scales: the last is below a hundredth of a channel.
_HALVINGS = 12


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network and what it costs.

    Attributes:
        network: The network.
        operators: Of its int8 file.
        costs: By name, see `Prices.add_up`.
    """

    network: Network
    operators: list[Operator]
    costs: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Space:
    """The networks among which is searched.

    Attributes:
        families: Names of `FAMILIES`.
        sides: Of images, in pixels.
        num_classes: Number of classes.
    """

    families: tuple[str, ...]
    sides: tuple[int, ...]
    num_classes: int

    def suggest(self, choices: Choices) -> tuple[Family, Shape, int]:
        """Chooses a family, a shape and the side of an image."""
        side, name = self.sides[0], self.families[0]
        if len(self.sides) > 1:
            side = choices.suggest_categorical("image_size", self.sides)
        if len(self.families) > 1:
            name = choices.suggest_categorical("family", self.families)
        return FAMILIES[name], FAMILIES[name].suggest(choices), side

    def enlarge(
        self, family: Family, shape: Shape, side: int, prices: Prices
    ) -> Candidate | None:
        """Returns the largest network of a shape within the limits; None if none is."""
        low, high = math.log(LEAST_SCALE), math.log(MOST_SCALE)
        best: Candidate | None = None
        scales = [low]
        for _ in range(_HALVINGS):
            config = family.configure(shape, math.exp(scales[-1]), side)
            found = self._price(family, family.model_of(side), config, side, prices)
            if found is not None:
                best, low = found, scales[-1]
            elif best is None:
                return None
            else:
                high = scales[-1]
            scales.append((low + high) / 2)
        return best

    def list_hand_made(self, prices: Prices) -> list[Candidate]:
        """Returns the published network of each family, at the largest width."""
        found = []
        for family in map(FAMILIES.__getitem__, self.families):
            for side in self.sides:
                name = family.model_of(side)
                configs = map(NETWORKS[name].configure, _HAND_MADE_WIDTHS)
                priced = (self._price(family, name, x, side, prices) for x in configs)
                found += [x for x in priced if x is not None][:1]
        return found

    def draw(
        self, prices: Prices, *, least: float = 0.75, seed: int = 0
    ) -> Iterator[Candidate]:
        """Yields random networks within the limits, without end.

        Args:
            prices: The limits.
            least: The largest network of a shape is found within this part of the
                limits, or within more of them, at random.
            seed: Another one gives other networks.

        Raises:
            RequestError: No network is within the limits.
        """
        rng, failures = random.Random(seed), 0
        while failures < _MOST_FAILURES:
            part = prices.scaled(math.exp(rng.uniform(math.log(least), 0)))
            found = self.enlarge(*self.suggest(RandomChoices(rng)), part)
            failures = 0 if found else failures + 1
            if found is not None:
                yield found
        raise too_low()

    def draw_choices(self, prices: Prices) -> dict[str, Any]:
        """Returns random choices by name, of a network within the limits.

        Raises:
            RequestError: No network is within the limits.
        """
        for _ in range(_MOST_FAILURES):
            choices = RandomChoices(random.Random())
            if self.enlarge(*self.suggest(choices), prices) is not None:
                return choices.chosen
        raise too_low()

    def draw_sizes(self, prices: Prices, count: int) -> Iterator[Candidate]:
        """Yields the networks of random shapes at all sizes within the limits.

        Args:
            prices: The limits.
            count: Number of shapes.
        """
        rng = random.Random(0)
        for _ in range(count):
            family, shape, side = self.suggest(RandomChoices(rng))
            scale = LEAST_SCALE
            while scale < MOST_SCALE:
                config = family.configure(shape, scale, side)
                model = family.model_of(side)
                found = self._price(family, model, config, side, prices)
                if found is None:
                    break
                yield found
                scale *= _SIZE_STEP

    def _price(
        self, family: Family, model: str, config: Any, side: int, prices: Prices
    ) -> Candidate | None:
        """Returns a network with its costs; None if it is not within the limits."""
        try:
            operators = family.list_operators(config, side, self.num_classes)
        except ValueError:  # One is larger than any that can be measured.
            return None
        is_priced = max(x.out_channels for x in operators) <= WIDTHS[-1]
        costs = prices.add_up(operators) if is_priced else {}
        if not costs or not prices.allow(costs):
            return None
        network = Network(model, 1.0, (side, side), config=config)
        return Candidate(network, operators, costs)


def too_low() -> RequestError:
    """Returns the error of limits that no network keeps."""
    return RequestError(
        "No network of the space is within the limits; allow more with "
        "--max_latency_ms, --max_bytes or --max_macs, or smaller images with "
        "--image_size."
    )
