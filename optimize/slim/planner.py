"""Plans the widths of a network: what it costs, and which channels stay."""

import dataclasses
import math
from pathlib import Path

import numpy as np

from corallite.optimize.slim.budget import (
    DEFAULT_SHARE,
    Budget,
    count_bytes,
    count_macs,
)
from corallite.optimize.slim.choose_widths import Limit, choose_widths
from corallite.optimize.slim.importance import Scores
from corallite.optimize.slim.latencies import find_latencies
from corallite.optimize.slim.layer_operators import list_layer_operators
from corallite.optimize.slim.network_cost import NetworkCost, Price
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
        channels = trace_channels(model)
        self._widths = {x.uses: _list_widths(len(x.atoms)) for x in channels.groups}
        self._keys = [group.uses for group in channels.groups]
        network = NetworkCost(
            channels,
            [self._widths[key] for key in self._keys],
            list(list_layer_operators(model, channels)),
        )
        self._whole = [len(self._widths[key]) - 1 for key in self._keys]
        self._limits = []
        for name, price in _find_prices(network, budget, folder).items():
            cost = network.build(price)
            most = budget.limits[name]
            if most is None:
                most = DEFAULT_SHARE * cost.of(self._whole)
            self._limits.append(Limit(cost, most, name))
        # Refuses a budget that cannot be kept now, not in the last round.
        choose_widths([np.zeros(x + 1) for x in self._whole], self._limits)

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
        choice = choose_widths(values, limits)
        for atoms, x, number in zip(ordered, widths, choice, strict=True):
            kept[atoms[x[number] :]] = False
        return kept

    def predict(self, model: keras.Model) -> dict[str, float]:
        """Returns what a network of these widths costs, by the names of the costs."""
        groups = {x.uses: len(x.atoms) for x in trace_channels(model).groups}
        choice = [
            int(np.searchsorted(self._widths[key], groups[key])) for key in self._keys
        ]
        return {limit.name: limit.cost.of(choice) for limit in self._limits}

    def _toward(self, limit: Limit, progress: float) -> Limit:
        """Returns a limit between the original cost and the final one."""
        original = limit.cost.of(self._whole)
        ratio = min(1.0, limit.most / original)
        return dataclasses.replace(limit, most=original * ratio**progress)


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
