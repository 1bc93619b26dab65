"""Plans the widths of a network: what it costs, and which channels stay."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from corallite.device.benchmark.layers.operator import Operator
from corallite.device.system.errors import RequestError
from corallite.optimize.slim.budget import DEFAULT_SHARE, Budget, format_costs
from corallite.optimize.slim.choose_widths import Limit, choose_widths
from corallite.optimize.slim.importance import Scores
from corallite.optimize.slim.latencies import find_latencies
from corallite.optimize.slim.layer_operators import list_layer_operators
from corallite.optimize.slim.network_cost import NetworkCost, Price
from corallite.optimize.slim.operator_costs import (
    count_bytes,
    count_macs,
    count_manifest_bytes,
    count_shared_bytes,
)
from corallite.optimize.slim.remove_channels import Kept
from corallite.optimize.slim.trace_channels import Axis, Channels, trace_channels
from corallite.train.framework.keras import keras

# A group keeps at least this share of its channels in all rounds together.
_LEAST_SHARE = 0.25
# Of the mean of all channels.
_LEAST_IMPORTANCE = 1e-6
# The most widths of a group: each pair of widths of two groups is measured.
_MOST_WIDTHS = 8
# (least size of a group, step between its widths). Kernels compute 8 or more channels
# at a time; a small group, such as a slice in ShuffleNetV2, is only a part of those.
_STEPS = ((48, 8), (16, 4), (8, 2), (0, 1))

# The axes of weights that a group's channels are entries of; it names the group in
# every network that was made from the same one.
_Key = tuple[tuple[str, Axis], ...]


class Planner:
    """The widths that a network may have, and what they cost.

    All rounds choose among the same widths of the original network, so that its
    operators are measured once.
    """

    def __init__(self, model: keras.Model, budget: Budget, folder: Path):
        """Measures or looks up what the operators cost.

        Args:
            model: The original network.
            budget: What it may cost.
            folder: Receives the latencies that are measured.

        Raises:
            RequestError: Channels of a layer are not known, latencies are missing, or
                no widths are within the budget.
        """
        self._widths, self._network = _find_widths(model)
        self._keys = list(self._widths)
        self._whole = [len(self._widths[key]) - 1 for key in self._keys]
        self._limits = []
        for name, price in _find_prices(self._network, budget, folder).items():
            cost = self._network.build(price)
            most = budget.limits[name]
            if most is None:
                most = DEFAULT_SHARE * cost.of(self._whole)
            self._limits.append(Limit(cost, most, name))
        # Refuses a budget that cannot be kept now, not in the last round.
        choice = self._choose([np.zeros(x + 1) for x in self._whole], self._limits)
        if list(choice) == self._whole:
            costs = format_costs(self._add_up(self._whole))
            raise RequestError(
                f"There is nothing to remove: the network already has {costs}; give a "
                "lower limit."
            )

    def choose(self, channels: Channels, importance: Scores, progress: float) -> Kept:
        """Returns which channels stay, bool `[atoms]`.

        Args:
            channels: Of the network of the former round.
            importance: Of its atoms.
            progress: How far to go from the original cost to the budget, 0 to 1.
        """
        # Channels that seem not to matter stay too, where the budget has room for them.
        importance = importance + _LEAST_IMPORTANCE * importance.mean()
        groups = {group.uses: group.atoms for group in channels.groups}
        ordered = [_by_importance(groups[key], importance) for key in self._keys]
        widths = [self._widths[key] for key in self._keys]
        values = [
            _value_widths(importance[atoms], x)
            for atoms, x in zip(ordered, widths, strict=True)
        ]
        limits = [self._toward(limit, progress) for limit in self._limits]
        kept = np.ones(channels.size, bool)
        choice = self._choose(values, limits)
        for atoms, x, number in zip(ordered, widths, choice, strict=True):
            kept[atoms[x[number] :]] = False
        return kept

    def predict(self, model: keras.Model) -> dict[str, float]:
        """Returns what a network of these widths costs, by the names of the costs."""
        groups = {x.uses: len(x.atoms) for x in trace_channels(model).groups}
        return self._add_up(
            [int(np.searchsorted(self._widths[x], groups[x])) for x in self._keys]
        )

    def _choose(
        self, values: Sequence[np.ndarray], limits: Sequence[Limit]
    ) -> tuple[int, ...]:
        """Returns the number of the best width for each group.

        What a file has once for all operators depends on the choice, so as much is
        reserved as the choice before had.
        """
        reserved = 0.0
        while True:
            choice = choose_widths(values, [_add(reserved, x) for x in limits])
            shared = self._count_shared_bytes(choice)
            if shared <= reserved:
                return choice
            reserved = shared

    def _add_up(self, choice: Sequence[int]) -> dict[str, float]:
        """Returns what the network costs with these widths."""
        shared = self._count_shared_bytes(choice)
        return {x.name: _add(shared, x).cost.of(choice) for x in self._limits}

    def _count_shared_bytes(self, choice: Sequence[int]) -> float:
        """Returns them; 0 if bytes are not limited."""
        if all(limit.name != "bytes" for limit in self._limits):
            return 0.0
        operators = self._network.list_chosen(choice)
        manifest = count_manifest_bytes(operators[-1].out_channels)
        return count_shared_bytes(operators) + manifest

    def _toward(self, limit: Limit, progress: float) -> Limit:
        """Returns a limit between the original cost and the final one."""
        original = self._add_up(self._whole)[limit.name]
        ratio = min(1.0, limit.most / original)
        return dataclasses.replace(limit, most=original * ratio**progress)


def _add(shared_bytes: float, limit: Limit) -> Limit:
    """Returns a limit of bytes that counts these too, or another limit as it is."""
    if limit.name != "bytes":
        return limit
    constant = limit.cost.constant + shared_bytes
    cost = dataclasses.replace(limit.cost, constant=constant)
    return dataclasses.replace(limit, cost=cost)


def list_operators(model: keras.Model) -> set[Operator]:
    """Returns the operators of a network at all widths that are tried."""
    return _find_widths(model)[1].list_operators()


def _find_widths(model: keras.Model) -> tuple[dict[_Key, np.ndarray], NetworkCost]:
    """Returns the widths of each group of channels, and what the network costs."""
    channels = trace_channels(model)
    widths = {x.uses: _list_widths(len(x.atoms)) for x in channels.groups}
    layers = list(list_layer_operators(model, channels))
    return widths, NetworkCost(channels, list(widths.values()), layers)


def _list_widths(size: int) -> np.ndarray:
    """Returns the numbers of channels that may stay of a group, ascending."""
    step = next(step for least, step in _STEPS if size >= least)
    least = max(step, math.ceil(_LEAST_SHARE * size / step) * step)
    widths = sorted({*range(least, size, step), size})
    while len(widths) > _MOST_WIDTHS:
        # Every second one, with the last.
        widths = widths[::-2][::-1]
    return np.array(widths)


def _by_importance(atoms: np.ndarray, importance: Scores) -> np.ndarray:
    """Returns atoms, the most important first."""
    return atoms[np.argsort(-importance[atoms], kind="stable")]


def _value_widths(importance: Scores, widths: np.ndarray) -> np.ndarray:
    """Returns the importance of the channels that stay at each width.

    Args:
        importance: Of the channels that are left, descending.
        widths: Those above the number of channels have the value of all.
    """
    sums = np.cumsum(importance)
    return sums[np.minimum(widths, len(sums)) - 1]


def _find_prices(
    network: NetworkCost, budget: Budget, folder: Path
) -> dict[str, Price]:
    """Returns the price of an operator in each unit that is limited."""
    prices: dict[str, Price] = {}
    if budget.limits_latency:
        table = find_latencies(network.list_operators(), budget.board, folder)
        prices["latency_ms"] = table.lookup
    if budget.max_macs is not None:
        prices["macs"] = count_macs
    if budget.max_bytes is not None:
        prices["bytes"] = count_bytes
    return prices
