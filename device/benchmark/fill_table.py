"""Fills the file of a latency table; continues one that was interrupted."""

from collections.abc import Callable
from pathlib import Path

from corallite.device.benchmark.ethosu import vela
from corallite.device.benchmark.ethosu.operator_cycles import Estimation, table_of
from corallite.device.benchmark.layers.latency_table import (
    LatencyTable,
    read_operators,
    read_table,
    write_table,
)
from corallite.device.benchmark.layers.list_operators import list_operators
from corallite.device.benchmark.layers.measure_operators import (
    Measurement,
    measure_files,
)
from corallite.device.benchmark.layers.operator import Operator
from corallite.device.engine.first_use import require_no_crash
from corallite.device.engine.runtime import read_model

Report = Callable[[int, int], None]


def read_layers(path: Path) -> list[Operator]:
    """Returns the operators of a JSON list or of a `.tflite` file; equal ones repeat.

    Raises:
        RequestError: The file cannot be read, or is neither.
    """
    if path.suffix == ".tflite":
        return list_operators(read_model(path), str(path))
    return read_operators(path)


def measure_whole(
    path: Path, table: LatencyTable, accelerator: str | None = None
) -> float:
    """Returns the milliseconds of a `.tflite` file, to compare with a prediction.

    Args:
        path: The file.
        table: What `fill_table` returned.
        accelerator: As for `fill_table`.

    Raises:
        RequestError: The file cannot be read, run or compiled, or crashes what does so.
    """
    content = read_model(path)
    if accelerator is None:
        require_no_crash(path, content)
        return measure_files({str(path): content}, table)[str(path)]
    vela.require_no_crash(path, accelerator)
    return vela.estimate(content, accelerator).milliseconds


def fill_table(
    operators: list[Operator],
    path: Path,
    *,
    threads: int = 1,
    accelerator: str | None = None,
    report: Report = lambda done, total: None,
) -> LatencyTable:
    """Returns the table in a file, with all of these operators.

    The file is written every few seconds, so that little is lost if this is stopped.

    Args:
        operators: What must be in the table.
        path: The file. If it exists, its times are kept.
        threads: Of one inference on this machine.
        accelerator: One of `vela.ACCELERATORS`, for Vela's estimates in place of
            measurements on this machine.
        report: Called with how many operators are measured, of how many.

    Raises:
        RequestError: The file is of another machine, runtime or number of threads, or
            is not a table; an operator cannot be run or compiled; or there is no
            runtime or no Vela here.
    """
    table = (
        table_of(accelerator) if accelerator else LatencyTable.of_this_machine(threads)
    )
    if path.exists():
        former = read_table(path)
        table.require_same(former, path)
        table = former
    make = Measurement if accelerator is None else Estimation
    measurement = make(table, operators)
    if not measurement.total:
        write_table(table, path)
    for done in measurement.run():
        write_table(measurement.table(), path)
        report(done, measurement.total)
    return measurement.table()
