"""Makes the tables of compression in docs/results.md.

    python benchmarks/results/make_tables.py --data_dir=cifar10

Runs `corallite` for each row of rows.py, into --run_dir. A finished row is not made
again, and an interrupted command resumes. Prints the three tables as Markdown, with the
rows that are finished. --print makes nothing. A row that fails does not stop the
others; the exit status is then 1.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import format_tables
import make_rows
import measure_rows
import read_rows
import rows
from absl import flags, logging

from corallite.device.benchmark.measure import time_files
from corallite.device.cli import program
from corallite.device.system.errors import RequestError

_USUAL = make_rows.Settings(Path())
_DATA_DIR = flags.DEFINE_string("data_dir", None, "CIFAR-10 in class folders.")
_RUN_DIR = flags.DEFINE_string("run_dir", "runs/results", "Folder of the rows' runs.")
_ROWS = flags.DEFINE_list("rows", None, "Rows to make, with those that they need.")
_PRINT = flags.DEFINE_boolean("print", False, "Only print what is finished.")
_EPOCHS = flags.DEFINE_integer("epochs", _USUAL.epochs, "Of tables 1 and 2.")
_SMALL_EPOCHS = flags.DEFINE_integer("small_epochs", _USUAL.small_epochs, "Of table 3.")
_LATER_EPOCHS = flags.DEFINE_integer(
    "later_epochs", None, "Of each training after that; default: those of the verbs."
)
_SEED = flags.DEFINE_integer("seed", 0, "Of all trainings.")
_SMALL_FLAGS = flags.DEFINE_multi_string(
    "small_flag", [], "For the trainings of table 3, as --small_flag=--augment=rand."
)


def main(argv: Sequence[str]) -> int:
    """Makes what is missing, and prints the tables."""
    program.reject_arguments(argv)
    known, root = rows.list_rows(), Path(_RUN_DIR.value)
    failed = [] if _PRINT.value else _make(known, root)
    for number in format_tables.TITLES:
        print(_format(number, known, root))
    if failed:
        logging.error("Failed: %s.", ", ".join(failed))
    return program.EXIT_CHECK_FAILED if failed else program.EXIT_DONE


def _make(known: Sequence[rows.Row], root: Path) -> list[str]:
    """Makes the rows; returns the names of those that fail."""
    if _DATA_DIR.value is None:
        raise RequestError("--data_dir is missing; give the folder of CIFAR-10.")
    settings = make_rows.Settings(
        data_dir=Path(_DATA_DIR.value),
        epochs=_EPOCHS.value,
        small_epochs=_SMALL_EPOCHS.value,
        later_epochs=_LATER_EPOCHS.value,
        seed=_SEED.value,
        small_flags=tuple(_SMALL_FLAGS.value),
    )
    names = [row.name for row in known] if _ROWS.value is None else _ROWS.value
    failed: list[str] = []
    for row in make_rows.select(known, names):
        if {row.copies, row.teacher, row.latencies} & set(failed):
            failed.append(row.name)
            continue
        try:
            make_rows.make(row, root, settings, _corallite)
        except RequestError as error:
            logging.error("%s", error)
            failed.append(row.name)
    return failed


def _corallite(arguments: Sequence[str]) -> int:
    command = [str(Path(sys.executable).with_name("corallite")), *arguments]
    logging.info("%s", " ".join(command))
    # The tables are all that is on stdout.
    with subprocess.Popen(command, stdout=sys.stderr) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # Ctrl-C stops both; `subprocess.run` would kill it while it saves.
            process.wait()
            raise


def _format(number: int, known: Sequence[rows.Row], root: Path) -> str:
    of_table = [row for row in known if row.table == number]
    found = {row: read_rows.read(row, root) for row in of_table}
    results = {row.name: x for row, x in found.items() if x is not None}
    time = None if _PRINT.value else time_files
    times = {}
    if results:
        times = measure_rows.measure(results, root / f"latency_{number}.json", time)
    finished = [
        format_tables.Finished(row, results[row.name], times.get(row.name, {}))
        for row in of_table
        if row.name in results
    ]
    return format_tables.format_table(number, of_table, finished)


if __name__ == "__main__":
    program.run(main)
