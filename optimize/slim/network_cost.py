"""Adds up what a network costs, as a function of the widths of its groups."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from corallite.device.benchmark.layers.operator import Operator
from corallite.optimize.slim.choose_widths import Cost
from corallite.optimize.slim.layer_operators import LayerOperator
from corallite.optimize.slim.trace_channels import Channels, Ids

# Returns the cost of an operator.
Price = Callable[[Operator], float]
# For each group, the numbers of channels that may stay, ascending up to all of them.
Widths = Sequence[np.ndarray]
# The number of the width of some groups; of all others, all channels stay.
_Point = dict[int, int]


class NetworkCost:
    """The operators of a network at the widths that may be chosen.

    A layer between two groups costs what its operator costs at each pair of widths. If
    an end of a layer has several groups, as where ShuffleNetV2 gathers its branches, it
    has too many widths: the layer is then priced with all channels of that end and with
    half of them, and its cost grows evenly between.
    """

    def __init__(
        self, channels: Channels, widths: Widths, layers: Sequence[LayerOperator]
    ):
        """Lists the operators.

        Args:
            channels: Of the network.
            widths: Those that may be chosen.
            layers: Its operators.
        """
        self._space = _Space(channels, widths)
        self._layers = [_Layer(layer, self._space) for layer in layers]

    def list_operators(self) -> set[Operator]:
        """Returns the operators whose price `build` asks for."""
        return {operator for x in self._layers for operator in x.operators.flat}

    def list_chosen(self, choice: Sequence[int]) -> list[Operator]:
        """Returns the operators with one width, by its number, of each group."""
        kept = self._space.keep(dict(enumerate(choice)))
        return [layer.at(kept) for layer in self._layers]

    def build(self, price: Price) -> Cost:
        """Returns the cost of the network with these prices of operators."""
        cost = Cost()
        for layer in self._layers:
            layer.add_to(cost, price)
        return cost


class _Space:
    """Groups of channels and the widths that may be chosen."""

    def __init__(self, channels: Channels, widths: Widths):
        self.widths = widths
        self.groups = channels.groups
        self._group_of = np.full(channels.size, -1)
        for number, group in enumerate(channels.groups):
            self._group_of[group.atoms] = number

    def find_groups(self, ids: Ids) -> list[int]:
        """Returns the groups of these channels."""
        return [int(x) for x in np.unique(self._group_of[ids]) if x >= 0]

    def count(self, ids: Ids, group: int) -> float:
        """Returns how many of these channels there are for each one of a group."""
        return np.sum(self._group_of[ids] == group) / len(self.groups[group].atoms)

    def keep(self, point: _Point) -> np.ndarray:
        """Returns which atoms stay, bool `[atoms]`: the first ones of each group."""
        kept = np.ones(len(self._group_of), bool)
        for group, number in point.items():
            kept[self.groups[group].atoms[self.widths[group][number] :]] = False
        return kept


@dataclasses.dataclass(frozen=True)
class _Sum:
    """A constant, and for each width of some groups a number that is added."""

    constant: float
    terms: dict[int, np.ndarray] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class _End:
    """The widths at which one end of a layer is priced.

    Attributes:
        points: Where it is priced.
        bases: Functions of the widths; the cost is a sum of multiples of them.
        factors: `[bases, points]`: their multiples are `factors @ prices`.
    """

    points: list[_Point]
    bases: list[_Sum]
    factors: np.ndarray

    @classmethod
    def of(cls, ids: Ids, space: _Space) -> "_End":
        """Returns the end of a layer with these channels."""
        groups = space.find_groups(ids)
        if not groups:
            return cls([{}], [_Sum(1.0)], np.eye(1))
        if len(groups) == 1:
            (group,) = groups
            size = len(space.widths[group])
            bases = [_Sum(0.0, {group: row}) for row in np.eye(size)]
            return cls([{group: x} for x in range(size)], bases, np.eye(size))
        return cls._of_several(ids, groups, space)

    @classmethod
    def _of_several(cls, ids: Ids, groups: list[int], space: _Space) -> "_End":
        points = [
            {g: (len(space.widths[g]) - 1) // part for g in groups} for part in (2, 1)
        ]
        terms = {g: space.count(ids, g) * space.widths[g] for g in groups}
        fixed = len(ids) - sum(float(x[-1]) for x in terms.values())
        half, whole = (
            fixed + sum(float(terms[g][n]) for g, n in point.items())
            for point in points
        )
        if whole == half:  # Groups of one channel, which stays.
            return cls([{}], [_Sum(1.0)], np.eye(1))
        slope = 1 / (whole - half)
        factors = np.array([[1 + half * slope, -half * slope], [-slope, slope]])
        return cls(points, [_Sum(1.0), _Sum(fixed, terms)], factors)


class _Layer:
    """The operator of a layer at every point of both ends."""

    def __init__(self, layer: LayerOperator, space: _Space):
        self.at = layer.at
        inputs = np.concatenate(layer.inputs)
        ends = [inputs, layer.output]
        if layer.at_full_width.kind == "slice":
            ends = ends[1:]  # What it does not copy costs nothing.
        elif set(space.find_groups(inputs)) & set(space.find_groups(layer.output)):
            # They change together, so they are one end.
            ends = [np.concatenate(ends)]
        self._ends = [_End.of(ids, space) for ids in ends]
        points = itertools.product(*(end.points for end in self._ends))
        operators = [layer.at(space.keep(_merge(*point))) for point in points]
        self.operators = np.empty([len(end.points) for end in self._ends], object)
        self.operators.ravel()[:] = operators

    def add_to(self, cost: Cost, price: Price) -> None:
        """Adds the layer's cost."""
        multiples = np.vectorize(price, otypes=[float])(self.operators)
        for axis, end in enumerate(self._ends):
            multiples = np.moveaxis(
                np.tensordot(end.factors, multiples, (1, axis)), 0, axis
            )
        for numbers, multiple in np.ndenumerate(multiples):
            _add_product(
                cost,
                [end.bases[x] for end, x in zip(self._ends, numbers, strict=True)],
                float(multiple),
            )


def _merge(*points: _Point) -> _Point:
    return {group: number for point in points for group, number in point.items()}


def _add_product(cost: Cost, sums: Sequence[_Sum], factor: float) -> None:
    """Adds a multiple of the product of one or two sums."""
    first, second = (*sums, _Sum(1.0))[:2]
    cost.constant += factor * first.constant * second.constant
    for one, other in ((first, second), (second, first)):
        for group, numbers in one.terms.items():
            cost.add_single(group, factor * other.constant * numbers)
    for (a, left), (b, right) in _pairs(first, second):
        cost.add_pair(a, b, factor * np.outer(left, right))


def _pairs(first: _Sum, second: _Sum) -> Iterator[tuple]:
    return itertools.product(first.terms.items(), second.terms.items())
