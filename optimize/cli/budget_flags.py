"""The flags of a budget, shared by all programs that remove channels."""

from collections.abc import Callable

from absl import flags

from corallite.device.system.errors import RequestError
from corallite.optimize.slim.budget import Budget

# --help then lists the flags among those of the program that calls `define`.
flags.disclaim_key_flags()


_LIMITS = {
    "max_macs": "multiply-accumulates of one inference, as 12.5e6.",
    "max_bytes": "bytes of the int8 file.",
}
_LATENCY = (
    "milliseconds of one inference of int8 with one thread; without any limit, 0.7 of "
    "what it was."
)
_BOARD = (
    "the file of latencies that `corallite benchmark --layers` wrote on a board, or "
    "ethos-u55-128 and others; by default this machine."
)


def define(condition: str) -> Callable[[], Budget]:
    """Defines the flags; returns a function that reads them.

    The function raises `RequestError` for a board without a limit of the latency.

    Args:
        condition: The flag that removes channels, as `--method=channels`.
    """
    return define_limits(_LATENCY, f"For {condition}: ")


def define_limits(latency: str, prefix: str = "") -> Callable[[], Budget]:
    """Defines the flags; returns a function that reads them, see `define`.

    Args:
        latency: What --max_latency_ms limits, for --help.
        prefix: Of all texts of --help.
    """
    limits = [
        flags.DEFINE_float(name, None, f"{prefix}{text}", lower_bound=0.0)
        for name, text in {"max_latency_ms": latency, **_LIMITS}.items()
    ]
    board = flags.DEFINE_string("board", None, f"{prefix}{_BOARD}")

    def read() -> Budget:
        latency_ms, macs, size = (limit.value for limit in limits)
        budget = Budget(latency_ms, macs, size, board.value)
        if budget.board is not None and not budget.limits_latency:
            raise RequestError(
                "--board has latencies, and --max_latency_ms is missing; give both, or "
                "omit --board."
            )
        return budget

    return read
