"""Finds the latency of operators: of a board, of an accelerator or of this machine."""

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TypeGuard

from absl import logging

from corallite.device.benchmark.ethosu import operator_cycles, vela
from corallite.device.benchmark.fill_table import fill_table
from corallite.device.benchmark.layers.latency_table import LatencyTable, read_table
from corallite.device.benchmark.layers.operator import Operator
from corallite.device.system import files
from corallite.device.system.errors import RequestError

# What a measurement leaves in the folder, and what a board has to measure.
_TABLE_FILE = "latencies.json"
_LAYERS_FILE = "layers.json"
# Large networks take many minutes.
_LOG_INTERVAL_S = 30


def find_latencies(
    operators: Collection[Operator], board: str | None, folder: Path
) -> LatencyTable:
    """Returns a table with the latency of every operator.

    Args:
        operators: What to look up.
        board: File of a table that was measured on a board, or an accelerator that Vela
            knows; None for this machine.
        folder: Receives the table that is measured here, once, or the list of operators
            that the board has to measure.

    Raises:
        RequestError: The board's file cannot be read, or lacks operators; then the
            message says how to measure them. Or Vela is not installed.
    """
    table = open_table(board)
    if is_file(board):
        _require_all(operators, table, Path(board), folder)
        return table
    every = sorted(operators, key=lambda operator: operator.key)
    path = folder / _TABLE_FILE
    if path.exists():
        former = read_table(path)
        # The stage was begun on another machine, or for another board.
        if (former.machine, former.runtime) != (table.machine, table.runtime):
            path.unlink()
    logging.info("Latency of %d operators on %s.", len(every), table.machine)
    return fill_table(every, path, accelerator=board, report=_log_progress)


def open_table(board: str | None) -> LatencyTable:
    """Returns the table of a board, or an empty one of what is measured here.

    Raises:
        RequestError: The board's file cannot be read, or there is no Vela or runtime.
    """
    if is_file(board):
        if not Path(board).exists():
            raise RequestError(
                f"--board: {board} is neither a file of latencies nor one of "
                f"{', '.join(vela.ACCELERATORS)}."
            )
        return _require_one_thread(read_table(Path(board)), board)
    return operator_cycles.table_of(board) if board else LatencyTable.of_this_machine()


def hash_latencies(operators: Iterable[Operator], board: str) -> str:
    """Returns what identifies the latencies of these operators in a board's file."""
    times = open_table(board).milliseconds
    known = sorted({(x.key, times[x.key]) for x in operators if x.key in times})
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]


def _require_one_thread(table: LatencyTable, board: str) -> LatencyTable:
    if table.threads == 1:
        return table
    raise RequestError(
        f"{board}: was measured with {table.threads} threads; measure it again with "
        "one, into another file."
    )


def is_file(board: str | None) -> TypeGuard[str]:
    """Returns whether a board is named by the file of its table."""
    return board is not None and board not in vela.ACCELERATORS


def _log_progress(done: int, total: int) -> None:
    logging.log_every_n_seconds(
        logging.INFO, "%d of %d operators.", _LOG_INTERVAL_S, done, total
    )


def _require_all(
    operators: Collection[Operator], table: LatencyTable, board: Path, folder: Path
) -> None:
    missing = table.missing(operators)
    if not missing:
        return
    path = folder / _LAYERS_FILE
    files.write_json(path, [operator.to_json() for operator in missing])
    raise RequestError(
        f"{board}: lacks {len(missing)} of {len(operators)} operators; copy {path} and "
        f"this table to the board, run `corallite benchmark --layers={_LAYERS_FILE} "
        f"--out={board.name}` there, and copy it back."
    )
