"""What a network may cost after channel pruning, and what its operators cost."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corallite.device.system.errors import RequestError
from corallite.optimize.slim.latencies import is_file
from corallite.train.runs.record import hash_file

# Of the latency, if nothing else is asked for.
DEFAULT_SHARE = 0.7


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a network may cost; None for no limit.

    Without any limit, its latency may be 0.7 of what it was.

    Attributes:
        max_latency_ms: Milliseconds of an inference with one thread, by the latencies.
        max_macs: Multiply-accumulates of an inference.
        max_bytes: Bytes of the int8 file.
        board: File of latencies that `corallite benchmark --layers` has measured on a
            board, or an accelerator that Vela knows; None for this machine.
    """

    max_latency_ms: float | None = None
    max_macs: float | None = None
    max_bytes: float | None = None
    board: str | None = None

    @property
    def limits(self) -> dict[str, float | None]:
        """The limits by the name of the cost."""
        return {
            "latency_ms": self.max_latency_ms,
            "macs": self.max_macs,
            "bytes": self.max_bytes,
        }

    @property
    def limits_latency(self) -> bool:
        """Whether the latency is limited."""
        others = (self.max_macs, self.max_bytes)
        return self.max_latency_ms is not None or others == (None, None)

    def require_unset(self, condition: str) -> None:
        """Raises `RequestError` if it says anything where no channels are removed.

        Args:
            condition: The flag that removes channels.
        """
        given = [name for name, value in self.to_json().items() if value is not None]
        if given:
            raise RequestError(f"--{given[0]} needs {condition}; add it.")

    def to_json(self) -> dict[str, Any]:
        """Returns the fields by the names of their flags.

        The hash of a board's file is added: with other latencies, it is another budget.
        """
        fields = dataclasses.asdict(self)
        if not is_file(self.board):
            return fields
        path = Path(self.board).resolve()
        digest = hash_file(path)[:16] if path.exists() else ""
        return {**fields, "board": str(path), "latencies": digest}


NO_BUDGET = Budget()


def format_costs(costs: Mapping[str, float]) -> str:
    """Returns costs, by the names of `Budget.limits`, as "7.3 ms and 90,720 bytes"."""
    texts = {
        "latency_ms": "{:.4g} ms",
        "macs": "{:,.0f} multiply-accumulates",
        "bytes": "{:,.0f} bytes",
    }
    return " and ".join(texts[name].format(cost) for name, cost in costs.items())
