"""What a network costs by its operators, and whether that is within the limits."""

import dataclasses
import math
from collections.abc import Iterable

from corallite.convert.search.space.interpolate import interpolate
from corallite.device.benchmark.layers.latency_table import LatencyTable
from corallite.device.benchmark.layers.operator import Operator
from corallite.optimize.slim.budget import Budget
from corallite.optimize.slim.operator_costs import (
    count_bytes,
    count_macs,
    count_manifest_bytes,
    count_shared_bytes,
)

# Multiply-accumulates that no processor core does in a millisecond (2.5 GHz, 64 each).
_MOST_MACS_PER_MS = 1.6e8


@dataclasses.dataclass(frozen=True)
class Prices:
    """The limits of a search, and the prices that are compared with them.

    Attributes:
        budget: The limits.
        table: Latencies of operators; None if the latency is not limited, or not
            measured yet.
        latency_factor: Of a whole network's latency to the sum of its operators, which
            are measured alone, with warm caches.
        share: Of the limits, that a network may cost.
    """

    budget: Budget
    table: LatencyTable | None = None
    latency_factor: float = 1.0
    share: float = 1.0
    _latencies: dict[Operator, float] = dataclasses.field(
        default_factory=dict, compare=False, repr=False
    )

    def scaled(self, share: float) -> "Prices":
        """Returns the same with a part of the limits."""
        return dataclasses.replace(self, share=share)

    def add_up(self, operators: Iterable[Operator]) -> dict[str, float]:
        """Returns macs, bytes and, if it is limited, latency_ms of a network.

        The bytes are those of the compacted int8 file, rather too many than too few.
        The latency is infinite where the table says nothing.
        """
        operators = list(operators)
        size = count_shared_bytes(operators) + sum(map(count_bytes, operators))
        size += count_manifest_bytes(operators[-1].out_channels)
        costs = {
            "macs": sum(map(count_macs, operators)),
            "bytes": math.ceil(size),
        }
        if self.table is not None:
            total = sum(map(self._find_latency, operators))
            costs["latency_ms"] = self.latency_factor * total
        return costs

    def allow(self, costs: dict[str, float]) -> bool:
        """Returns whether no cost is above its limit."""
        return all(
            name not in costs or costs[name] <= most * self.share
            for name, most in self._limits().items()
        )

    def _limits(self) -> dict[str, float]:
        limits = {x: y for x, y in self.budget.limits.items() if y is not None}
        if self.table is None and "latency_ms" in limits:
            most = _MOST_MACS_PER_MS * limits.pop("latency_ms")
            limits["macs"] = min(limits.get("macs", most), most)
        return limits

    def _find_latency(self, operator: Operator) -> float:
        if self.table is not None and operator not in self._latencies:
            self._latencies[operator] = interpolate(self.table, operator)
        return self._latencies[operator]
