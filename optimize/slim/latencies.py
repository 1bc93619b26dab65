"""Finds the latency of operators: in a board's file, or by measuring this machine."""

from collections.abc import Collection
from pathlib import Path

from absl import logging

from corallite.device.benchmark.layers.latency_table import (
    LatencyTable,
    read_table,
    write_table,
)
from corallite.device.benchmark.layers.measure_operators import Measurement
from corallite.device.benchmark.layers.operator import Operator
from corallite.device.system import files
from corallite.device.system.errors import RequestError

# What a measurement leaves in the folder, and what a board has to measure.
_TABLE_FILE = "latencies.json"
_LAYERS_FILE = "layers.json"


def find_latencies(
    operators: Collection[Operator], board: Path | None, folder: Path
) -> LatencyTable:
    """Returns a table with the latency of every operator.

    Args:
        operators: What to look up.
        board: A table that was measured on a board; None for this machine.
        folder: Receives the table of this machine, which is measured once, or the list
            of operators that the board has to measure.

    Raises:
        RequestError: The board's file cannot be read, or lacks operators; the message
            says how to measure them.
    """
    if board is None:
        return _measure(operators, folder / _TABLE_FILE)
    table = read_table(board)
    missing = table.missing(operators)
    if missing:
        path = folder / _LAYERS_FILE
        files.write_json(path, [operator.to_json() for operator in missing])
        raise RequestError(
            f"{board}: lacks {len(missing)} of {len(operators)} operators; copy {path} "
            f"to the board, run `corallite benchmark --layers={_LAYERS_FILE} "
            f"--out={board.name}` there with that file, and copy it back."
        )
    return table


def _measure(operators: Collection[Operator], path: Path) -> LatencyTable:
    table = LatencyTable.of_this_machine()
    if path.exists():
        former = read_table(path)
        # Another machine may have begun the stage.
        if (former.machine, former.runtime) == (table.machine, table.runtime):
            table = former
    measurement = Measurement(table, sorted(operators, key=lambda x: x.key))
    if measurement.total:
        logging.info("Measuring %d operators on this machine.", measurement.total)
        try:
            for _ in measurement.run():
                pass
        finally:
            table = measurement.table()
            write_table(table, path)
    return table
