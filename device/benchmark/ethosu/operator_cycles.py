"""The latency of operators on an Ethos-U, by Vela's cycles.

Vela merges operators: a convolution writes its part of a concatenation, and reads a
slice where it lies. So an operator is compiled between convolutions. A concatenation
takes no cycles there, but a slice that is concatenated again is copied; as the table
does not know what follows, a slice always counts as that copy.
"""

from collections.abc import Iterable, Iterator

from corallite.device.benchmark.ethosu import vela
from corallite.device.benchmark.layers.latency_table import LatencyTable
from corallite.device.benchmark.layers.operator import Operator
from corallite.device.benchmark.layers.operator_file import write_operators
from corallite.device.system.errors import RequestError

# Progress is reported after as many, and an interruption loses as many.
_BATCH = 20
# Channels of what surrounds an operator.
_CHANNELS = 8
# What is copied if it is the file's output, or reads the file's input.
_ALONE = ("border", "crop", "slice", "uint8_to_int8")
_VECTORS = ("dense", "softmax")
# Of their outputs, the type or the scale is not that of other maps.
_LAST = ("int8_to_uint8", "logistic", "requantize", "softmax")


def table_of(accelerator: str) -> LatencyTable:
    """Returns an empty table of an accelerator.

    Raises:
        RequestError: There is no such accelerator, or Vela is not installed.
    """
    vela.require_accelerator(accelerator)
    version = vela.version()
    return LatencyTable(f"{accelerator} (Vela {version})", f"ethos-u-vela {version}")


class Estimation:
    """Extends a table by the operators that it lacks, as `Measurement` does.

    Attributes:
        total: How many it lacks.
    """

    def __init__(self, table: LatencyTable, operators: Iterable[Operator]) -> None:
        """Takes a table that `table_of` made, and operators, which may be in it."""
        self._accelerator = table.machine.partition(" ")[0]
        self._table = table
        self._missing = table.missing(operators)
        self.total = len(self._missing)

    def run(self) -> Iterator[int]:
        """Estimates; after each batch, yields how many operators are done.

        Raises:
            RequestError: Vela does not compile an operator for the NPU.
        """
        for done, operator in enumerate(self._missing, 1):
            ms = estimate_operator(operator, self._accelerator)
            self._table = self._table.with_times({operator.key: ms})
            if done % _BATCH == 0 or done == self.total:
                yield done

    def table(self) -> LatencyTable:
        """Returns the former table with the times found so far."""
        return self._table


def estimate_operators(
    operators: Iterable[Operator], accelerator: str = "ethos-u55-128"
) -> LatencyTable:
    """Returns the table of these operators; takes about 50 ms for each.

    Args:
        operators: Equal ones are compiled once.
        accelerator: One of `vela.ACCELERATORS`.

    Raises:
        RequestError: Vela is not installed, or does not compile an operator for the
            NPU.
    """
    estimation = Estimation(table_of(accelerator), operators)
    for _ in estimation.run():
        pass
    return estimation.table()


def estimate_operator(operator: Operator, accelerator: str) -> float:
    """Returns the milliseconds of one operator.

    Raises:
        RequestError: As `estimate_operators`.
    """
    if operator.kind == "concat":
        return 0.0
    before, after = _surround(operator)
    network = [*before, operator, *after]
    try:
        found = vela.estimate(write_operators(network), accelerator)
    except RequestError as error:
        raise RequestError(f"{operator.key}: {error}") from error
    others = {f"operator_{n}" for n in range(len(network)) if n != len(before)}
    own = [layer for layer in found.layers if layer.tensor not in others]
    if not all(layer.is_on_npu for layer in own):
        raise RequestError(
            f"{operator.key}: runs on the CPU beside {accelerator}, in a time that "
            "Vela does not know; use a network without it."
        )
    return 1000 * sum(layer.cycles for layer in own) / found.clock_hz


def _surround(operator: Operator) -> tuple[list[Operator], list[Operator]]:
    """Returns what writes the inputs of an operator, and what reads its output."""
    if operator.kind in _ALONE:
        return [], []
    before = []
    for number, channels in enumerate(operator.channels):
        kind = "dense" if operator.kind in _VECTORS else "conv"
        size = (operator.height, operator.width)
        if number and operator.kind == "scale":
            size = (1, 1)
        before.append(Operator(kind, *size, (_CHANNELS,), channels))
    if operator.kind in _LAST:
        return before, []
    is_vector = operator.kind in ("dense", "pool", "reshape")
    rows, columns = operator.out_size
    channels = operator.out_channels * (rows * columns if is_vector else 1)
    if is_vector:
        return before, [Operator("dense", 1, 1, (channels,), _CHANNELS)]
    return before, [Operator("conv", rows, columns, (channels,), _CHANNELS)]
