"""Measures the stages of a run, or one file, on labelled images.

corallite evaluate --run_dir=runs/first
corallite evaluate --run_dir=runs/first --model=other.tflite

Every file runs with the code of the device. Prints a table, and the loss of each step
to int8 on the validation split; with --json, prints all measurements, including
confusion matrices. Warns of models that predict one label for nearly all images. The
exit status is 1 if int8 lost more than --max_drop, or is such a model.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.convert.accuracy.gate_text import format_comparison
from corallite.convert.accuracy.measure_file import compare_file, recall_comparison
from corallite.convert.evaluate.stages import evaluate_one_file, evaluate_run
from corallite.convert.evaluate.table import format_results
from corallite.convert.evaluate.usefulness import to_json
from corallite.device.cli import program
from corallite.train.cli import run_flags
from corallite.train.data.content import check_content

_RUN = run_flags.define("Run folder with the stages and the images.")
_MODEL = flags.DEFINE_string(
    "model", None, "A .tflite file to measure in place of the run's stages."
)
_PART = flags.DEFINE_enum(
    "part", "test", ("train", "val", "test"), "Split of the images to measure on."
)
_MAX_DROP = flags.DEFINE_float(
    "max_drop",
    None,
    "Percentage points of top-1 that the last stage may be below float on the "
    "validation split; by default what `convert` allowed. For a --model, there is no "
    "limit by default.",
    lower_bound=0.0,
)
_AS_RUN = flags.DEFINE_boolean(
    "as_run",
    False,
    "Accept a --model whose manifest is missing or damaged: it must have the run's "
    "classes, in their order, and expect pixel/255.",
)
_JSON = flags.DEFINE_boolean("json", False, "Print everything as JSON.")


def main(argv: Sequence[str]) -> int:
    program.reject_arguments(argv)
    run, data = _RUN()
    check_content({_PART.value: data.splits[_PART.value]}, data.class_names)
    comparison = None
    if _MODEL.value:
        path = Path(_MODEL.value)
        as_run = _AS_RUN.value
        results = [evaluate_one_file(path, run, data, _PART.value, as_run=as_run)]
        if _MAX_DROP.value is not None:
            limit = _MAX_DROP.value
            comparison = compare_file(path, run, data, limit, as_run=as_run)
    else:
        results = evaluate_run(run, data, _PART.value)
        comparison = recall_comparison(run, data, _MAX_DROP.value)
    if _JSON.value:
        rows = [to_json(x, data.class_names, _PART.value) for x in results]
        if comparison:
            rows[-1]["parity"] = comparison.to_json()
        print(json.dumps(rows))
    else:
        print(format_results(results, data.class_names, _PART.value))
        if comparison:
            print(f"\n{format_comparison(comparison)}")
    if comparison is None or comparison.passed:
        return program.EXIT_DONE
    return program.EXIT_CHECK_FAILED


if __name__ == "__main__":
    program.run(main)
