"""Makes the tables of docs/runtimes.md: each export target of some runs.

    python benchmarks/targets/make_page.py --run_dirs=runs/a,runs/b

Each run has a finished int8 file. Exports it to every target that is installed,
measures each file on the whole test split, and its latency beside the others in one
interleaved run. What is measured already is kept, so an interrupted command continues.
The tables replace those of the page; --print leaves the page alone.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import format_page
import measure_targets
from absl import flags, logging

from corallite.convert.export.registry import list_targets
from corallite.device.cli import program
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data.load import load_data
from corallite.train.runs.run import Run

_RUN_DIRS = flags.DEFINE_list("run_dirs", None, "Runs with an int8 file each.")
_PAGE = flags.DEFINE_string("page", "docs/runtimes.md", "The page to write into.")
_PRINT = flags.DEFINE_boolean("print", False, "Only print the tables.")

flags.mark_flag_as_required("run_dirs")


def main(argv: Sequence[str]) -> int:
    """Exports, measures and writes.

    Exits with 1 if a target cannot be made, or predicts other than its source.
    """
    program.reject_arguments(argv)
    runs = [Run.open(Path(name)) for name in _RUN_DIRS.value]
    tables, is_whole = [], True
    for run in runs:
        run.stage("int8").require()
        is_whole &= _export(run)
        rows = measure_targets.measure(run, load_data(run))
        for fault in measure_targets.find_faults(rows):
            logging.error("%s: %s", run.path, fault)
            is_whole = False
        tables.append(format_page.format_table(run, rows))
        print(tables[-1], end="\n\n", flush=True)
    if not _PRINT.value:
        page = Path(_PAGE.value)
        files.write_text(page, format_page.fill_in(page.read_text(), tables, page))
    return program.EXIT_DONE if is_whole else program.EXIT_CHECK_FAILED


def _export(run: Run) -> bool:
    """Exports a run to each target; returns whether all could be made.

    A file that loses accuracy is made too; the table shows it.
    """
    corallite = str(Path(sys.executable).with_name("corallite"))
    is_whole = True
    for target in list_targets():
        if target.name == "int8" or target.runner is None:
            continue
        try:
            target.require_packages()
        except RequestError as error:
            logging.warning("%s", error)
            is_whole = False
            continue
        flags_given = [f"--run_dir={run.path}", f"--to={target.name}", "--max_drop=100"]
        done = subprocess.run([corallite, "convert", *flags_given], check=False)
        is_whole &= done.returncode == program.EXIT_DONE
    return is_whole


if __name__ == "__main__":
    program.run(main)
