"""Measures the stages of a run, or one file, on labelled images.

corallite evaluate --run_dir=runs/first
corallite evaluate --run_dir=runs/first --model=other.tflite

Every file runs through the code that runs on the device. Prints a table, or with
--json everything that was measured, confusion matrices included.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.convert.evaluate_run import evaluate_one_file, evaluate_run
from corallite.convert.result_table import format_table
from corallite.device import program

_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Run folder whose images are shown.", required=True
)
_MODEL = flags.DEFINE_string(
    "model", None, "A .tflite file to measure in place of the run's stages."
)
_PART = flags.DEFINE_enum(
    "part", "test", ("train", "val", "test"), "Which part of the images."
)
_JSON = flags.DEFINE_boolean("json", False, "Print everything, for programs to read.")


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    run_dir = Path(_RUN_DIR.value)
    if _MODEL.value:
        results = [evaluate_one_file(Path(_MODEL.value), run_dir, _PART.value)]
    else:
        results = evaluate_run(run_dir, _PART.value)
    if _JSON.value:
        print(json.dumps([dataclasses.asdict(result) for result in results]))
    else:
        print(format_table(results))


if __name__ == "__main__":
    program.run(main)
