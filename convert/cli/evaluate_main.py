"""Measures the stages of a run, or one file, on labelled images.

corallite evaluate --run_dir=runs/first
corallite evaluate --run_dir=runs/first --model=other.tflite

Every file runs through the code that runs on the device. Prints a table and what each
step to int8 cost on the validation part, or with --json everything that was measured,
confusion matrices included. The exit status is 1 if int8 lost more than --max_drop.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.convert.accuracy.gate import AccuracyLostError, Parity
from corallite.convert.accuracy.gate_text import format_loss, format_parity
from corallite.convert.accuracy.measure_file import compare_file, recall_parity
from corallite.convert.evaluate.stages import evaluate_one_file, evaluate_run
from corallite.convert.evaluate.table import format_table
from corallite.device.cli import program

_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Run folder whose images are shown.", required=True
)
_MODEL = flags.DEFINE_string(
    "model", None, "A .tflite file to measure in place of the run's stages."
)
_PART = flags.DEFINE_enum(
    "part", "test", ("train", "val", "test"), "Which part of the images."
)
_MAX_DROP = flags.DEFINE_float(
    "max_drop",
    None,
    "Points of top-1 that the last of the chain may be below float on the validation "
    "part; by default what `convert` allowed, and no comparison for --model.",
    lower_bound=0.0,
)
_AS_RUN = flags.DEFINE_boolean(
    "as_run",
    False,
    "A --model whose manifest is missing or damaged is of the run's classes, in their "
    "order, and wants pixel/255.",
)
_JSON = flags.DEFINE_boolean("json", False, "Print everything, for programs to read.")


def main(argv: Sequence[str]) -> int:
    program.reject_arguments(argv)
    run_dir = Path(_RUN_DIR.value)
    parity = None
    if _MODEL.value:
        path = Path(_MODEL.value)
        as_run = _AS_RUN.value
        results = [evaluate_one_file(path, run_dir, _PART.value, as_run=as_run)]
        if _MAX_DROP.value is not None:
            parity = compare_file(path, run_dir, _MAX_DROP.value, as_run=as_run)
    else:
        results = evaluate_run(run_dir, _PART.value)
        parity = recall_parity(run_dir, _MAX_DROP.value)
    if _JSON.value:
        rows = [dataclasses.asdict(result) for result in results]
        if parity:
            rows[-1]["parity"] = parity.to_json()
        print(json.dumps(rows))
    else:
        print(format_table(results))
    if parity is None:
        return program.EXIT_DONE
    return _report(parity)


def _report(parity: Parity) -> int:
    """Prints the parity, unless JSON has it already; returns the exit status."""
    try:
        parity.check()
    except AccuracyLostError as error:
        if not _JSON.value:
            print(f"\n{format_loss(error)}")
        return program.EXIT_CHECK_FAILED
    if not _JSON.value:
        print(f"\n{format_parity(parity)}")
    return program.EXIT_DONE


if __name__ == "__main__":
    program.run(main)
