"""Chooses how many channels of each group stay, within limits on the whole network.

The most important channels of a group stay, so a group has one value for each number of
channels. A cost is a sum of terms of one group or of two, because a convolution costs
by its input and output channels. The best choice is then an exact problem for a mixed-
integer solver: one binary variable for each width of a group, and for each pair of
widths a continuous one, which is 1 where both are chosen (as in MDP, arXiv:2504.02168).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import optimize, sparse

from corallite.device.system.errors import RequestError
from corallite.optimize.slim.budget import format_costs

_TIME_LIMIT_S = 60.0
# As `scipy.optimize.milp` says it.
_OUT_OF_TIME = 1
# Of a cost that is a sum of many floats.
_ROUNDING = 1e-9


@dataclasses.dataclass
class Cost:
    """A cost of the network as a function of the widths of its groups.

    Attributes:
        constant: What no width changes.
        single: For a group, the cost of each of its widths.
        pairs: For two groups in ascending order, the cost of each pair of widths,
            `[widths of the first, widths of the second]`.
    """

    constant: float = 0.0
    single: dict[int, np.ndarray] = dataclasses.field(default_factory=dict)
    pairs: dict[tuple[int, int], np.ndarray] = dataclasses.field(default_factory=dict)

    def add_single(self, group: int, costs: np.ndarray) -> None:
        """Adds the cost of a layer that depends on one group."""
        self.single[group] = self.single.get(group, 0) + costs

    def add_pair(self, first: int, second: int, costs: np.ndarray) -> None:
        """Adds a cost `[widths of first, widths of second]` of two groups."""
        if first == second:
            return self.add_single(first, np.diagonal(costs))
        if first > second:
            first, second, costs = second, first, costs.T
        self.pairs[first, second] = self.pairs.get((first, second), 0) + costs

    def of(self, choice: Sequence[int]) -> float:
        """Returns the cost of one width, by its number, for each group."""
        singles = (costs[choice[group]] for group, costs in self.single.items())
        pairs = (costs[choice[a], choice[b]] for (a, b), costs in self.pairs.items())
        return float(self.constant + sum(singles) + sum(pairs))


@dataclasses.dataclass(frozen=True)
class Limit:
    """A cost and the most that it may be.

    Attributes:
        cost: Of the network.
        most: In the unit of the cost.
        name: Of the cost, one of `Budget.limits`.
    """

    cost: Cost
    most: float
    name: str


def choose_widths(
    values: Sequence[np.ndarray], limits: Sequence[Limit]
) -> tuple[int, ...]:
    """Returns the number of the best width for each group.

    Args:
        values: For each group, the value of each of its widths.
        limits: All are kept.

    Raises:
        RequestError: No choice is within the limits, or the solver found none in time.
    """
    whole = tuple(len(x) - 1 for x in values)
    if all(x.cost.of(whole) <= x.most * (1 + _ROUNDING) for x in limits):
        return whole
    problem = _Problem(values, limits)
    for limit in limits:
        problem.add_limit(limit)
    found = problem.solve()
    if found is None:
        raise RequestError(_explain(values, limits))
    return found


class _Problem:
    """The variables and rows of a mixed-integer problem."""

    def __init__(self, values: Sequence[np.ndarray], limits: Sequence[Limit]):
        sizes = [len(x) for x in values]
        self._begins = np.concatenate([[0], np.cumsum(sizes)])
        self._values = np.concatenate(values)
        self._count = int(self._begins[-1])
        self._pairs: dict[tuple[int, int], int] = {}
        self._rows: list[tuple[np.ndarray, np.ndarray, float, float]] = []
        for group in range(len(sizes)):
            columns = self._columns(group)
            self._add_row(columns, np.ones(len(columns)), 1.0, 1.0)
        for limit in limits:
            for pair in limit.cost.pairs:
                self._add_pair(*pair)

    def add_limit(self, limit: Limit) -> None:
        cost = limit.cost
        columns = [self._columns(group) for group in cost.single]
        entries = [np.asarray(x, float) for x in cost.single.values()]
        for pair, costs in cost.pairs.items():
            begin = self._pairs[pair]
            columns.append(np.arange(begin, begin + costs.size))
            entries.append(np.asarray(costs, float).ravel())
        if columns:
            room = limit.most - cost.constant
            self._add_row(
                np.concatenate(columns), np.concatenate(entries), -np.inf, room
            )

    def solve(self) -> tuple[int, ...] | None:
        """Returns the number of each group's width; None if there is no solution."""
        binaries = int(self._begins[-1])
        gain = np.zeros(self._count)
        gain[:binaries] = self._values / max(np.abs(self._values).max(), 1e-30)
        result = optimize.milp(
            -gain,
            integrality=np.arange(self._count) < binaries,
            bounds=optimize.Bounds(0, 1),
            constraints=self._build_constraint(),
            # A few channels have nearly all of the importance: a gap that is small
            # compared with it would leave much of the budget unused.
            options={"time_limit": _TIME_LIMIT_S, "mip_rel_gap": 0.0},
        )
        if result.x is None and result.status == _OUT_OF_TIME:
            raise RequestError(
                f"The solver found no widths in {_TIME_LIMIT_S:g} s; run the same "
                "command again when the machine is less busy."
            )
        if result.x is None:
            return None
        chosen = (result.x[self._columns(x)] for x in range(len(self._begins) - 1))
        return tuple(int(np.argmax(x)) for x in chosen)

    def _columns(self, group: int) -> np.ndarray:
        return np.arange(self._begins[group], self._begins[group + 1])

    def _add_pair(self, first: int, second: int) -> None:
        """Adds a variable for each pair of widths: 1 where both are chosen."""
        if (first, second) in self._pairs:
            return
        ends = self._columns(first), self._columns(second)
        shape = len(ends[0]), len(ends[1])
        numbers = self._count + np.arange(shape[0] * shape[1]).reshape(shape)
        self._pairs[first, second] = self._count
        self._count += numbers.size
        for members, end in ((numbers, ends[0]), (numbers.T, ends[1])):
            for row, column in zip(members, end, strict=True):
                entries = np.append(np.ones(len(row)), -1.0)
                self._add_row(np.append(row, column), entries, 0.0, 0.0)

    def _add_row(
        self, columns: np.ndarray, entries: np.ndarray, low: float, high: float
    ) -> None:
        self._rows.append((columns, entries, low, high))

    def _build_constraint(self) -> optimize.LinearConstraint:
        columns, entries, lows, highs = zip(*self._rows, strict=True)
        numbers = np.repeat(np.arange(len(columns)), [len(x) for x in columns])
        matrix = sparse.csr_array(
            (np.concatenate(entries), (numbers, np.concatenate(columns))),
            shape=(len(columns), self._count),
        )
        return optimize.LinearConstraint(matrix, lows, highs)


def _explain(values: Sequence[np.ndarray], limits: Sequence[Limit]) -> str:
    """Returns why no choice is within the limits; the first width is the smallest."""
    smallest = [0] * len(values)
    least = format_costs({x.name: x.cost.of(smallest) for x in limits})
    wanted = format_costs({x.name: x.most for x in limits})
    return (
        f"No widths of the network are within {wanted}; with the fewest channels that "
        f"are tried it has {least}: allow more, or train a narrower network (--width)."
    )
