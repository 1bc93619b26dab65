"""Measures the stages of a run, or one file, on labelled images.

corallite evaluate --run_dir=runs/first
corallite evaluate --run_dir=runs/first other.tflite

Every file runs with the code of the device. Prints a table, and the loss of each step
to int8 on the validation split; with --json, prints all measurements, including
confusion matrices. Warns of models that predict one label for nearly all images. The
exit status is 1 if int8 lost more than --max_drop, or is such a model. With
--sensitivity, measures instead what each layer of the network before int8 loses alone.

corallite evaluate --run_dir=runs/first --cascade=small.tflite,large.tflite

fits how sure the first file must be, so that the second is asked only where it is not,
and both together lose at most --max_drop (0.5 by default) against the second alone on
the validation split. Writes small_cascade.tflite, a copy with that threshold.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from corallite.convert.accuracy.comparison import AccuracyComparison
from corallite.convert.accuracy.gate_text import format_comparison
from corallite.convert.accuracy.measure_file import compare_file, recall_comparison
from corallite.convert.evaluate.boxes.stages import evaluate_boxes
from corallite.convert.evaluate.cascade import fit_files
from corallite.convert.evaluate.stages import evaluate_one_file, evaluate_run
from corallite.convert.evaluate.table import format_results
from corallite.convert.evaluate.usefulness import to_json
from corallite.device.cli import model_flags, program
from corallite.device.model.description.describe import Overrides
from corallite.device.system.errors import RequestError
from corallite.train.cli import run_flags
from corallite.train.data.content import check_content
from corallite.train.data.load import ImageData
from corallite.train.runs.run import Run

flags.adopt_module_key_flags(model_flags)
_RUN = run_flags.define("Run folder with the stages and the images.")
_MODEL = flags.DEFINE_string(
    "model",
    None,
    "A .tflite file to measure in place of the run's stages; --model= may be left out.",
)
_PART = flags.DEFINE_enum(
    "part", "test", ("train", "val", "test"), "Split of the images to measure on."
)
_MAX_DROP = flags.DEFINE_float(
    "max_drop",
    None,
    "Percentage points of top-1 that the last stage may be below float on the "
    "validation split; by default what `convert` allowed. For a --model, there is no "
    "limit by default. For a --cascade: that it may be below its second file.",
    lower_bound=0.0,
)
_AS_RUN = flags.DEFINE_boolean(
    "as_run",
    False,
    "Accept a --model whose manifest is missing or damaged: it must have the run's "
    "classes, in their order.",
)
_SENSITIVITY = flags.DEFINE_boolean(
    "sensitivity",
    False,
    "Measure on at most 512 validation images what the network loses with one layer in "
    "int8, or without a quarter of its channels, for each layer; for the report.",
)
_CASCADE = flags.DEFINE_list(
    "cascade",
    None,
    "Fit a cascade of two files: the second is asked where the first is unsure.",
)
_JSON = flags.DEFINE_boolean("json", False, "Print everything as JSON.")

# They describe a --model.
_OF_A_FILE = ("as_run", "input_range", "output")


def main(argv: Sequence[str]) -> int:
    model, (run, data) = program.take_model(argv, _MODEL.value), _RUN()
    if _CASCADE.value is not None:
        return _fit_cascade(model, run, data)
    if _SENSITIVITY.value:
        return _measure_sensitivity(model, run, data)
    check_content({_PART.value: data.splits[_PART.value]}, data.class_names)
    if data.boxes is not None:
        return _evaluate_boxes(model, run, data)
    comparison = None
    if model is not None:
        path, limit = Path(model), _MAX_DROP.value
        says = Overrides(
            input_range=model_flags.input_range(), output=model_flags.output()
        )
        given = {"as_run": _AS_RUN.value, "overrides": says}
        results = [evaluate_one_file(path, run, data, _PART.value, **given)]
        if limit is not None:
            comparison = compare_file(path, run, data, limit, **given)
    else:
        results = evaluate_run(run, data, _PART.value)
        comparison = recall_comparison(run, data, _MAX_DROP.value)
    rows = [to_json(x, data.class_names, _PART.value) for x in results]
    return _print(results, rows, comparison, data)


def _evaluate_boxes(model: str | None, run: Run, data: ImageData) -> int:
    if model is not None:
        raise RequestError(
            f"{run.path} finds boxes, and only its own stages are measured, not "
            f"{model}; omit that."
        )
    ignored = [x for x in _OF_A_FILE if flags.FLAGS[x].present]
    if ignored:
        raise RequestError(
            f"--{ignored[0]} describes a --model of classes, and {run.path} finds "
            "boxes; omit it."
        )
    results = evaluate_boxes(run, data, _PART.value)
    comparison = recall_comparison(run, data, _MAX_DROP.value)
    rows = [dataclasses.asdict(x) for x in results]
    return _print(results, rows, comparison, data)


def _print(
    results: Sequence[Any],
    rows: list[dict[str, Any]],
    comparison: AccuracyComparison | None,
    data: ImageData,
) -> int:
    """Prints results, as text or as `rows` of JSON; returns the exit status."""
    if _JSON.value:
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


def _fit_cascade(model: str | None, run: Run, data: ImageData) -> int:
    if model is not None or len(_CASCADE.value) != 2:
        raise RequestError(
            "--cascade: takes two files, as small.tflite,large.tflite, and no other "
            "model."
        )
    program.refuse_flags(("sensitivity", *_OF_A_FILE), "--cascade")
    for split in {"val", _PART.value}:
        check_content({split: data.splits[split]}, data.class_names)
    first, second = map(Path, _CASCADE.value)
    limit = fit_files.MAX_DROP if _MAX_DROP.value is None else _MAX_DROP.value
    found = fit_files.fit_files((first, second), run, data, _PART.value, limit)
    print(json.dumps(found.to_json()) if _JSON.value else found.describe())
    is_fitted = found.point is not None
    return program.EXIT_DONE if is_fitted else program.EXIT_CHECK_FAILED


def _measure_sensitivity(model: str | None, run: Run, data: ImageData) -> int:
    if data.boxes is not None:
        raise RequestError(
            f"--sensitivity measures classifiers, and {run.path} finds boxes; omit it."
        )
    if model is not None:
        raise RequestError(f"--sensitivity measures the run, not {model}; omit that.")
    program.refuse_flags(("part", "max_drop", *_OF_A_FILE), "--sensitivity")
    # Not at the top: it loads TensorFlow, which is not needed to read results.
    from corallite.convert.accuracy.sensitivity import record_sensitivity

    found = record_sensitivity(run, data)
    print(json.dumps(found.to_json()) if _JSON.value else found.describe())
    return program.EXIT_DONE


if __name__ == "__main__":
    program.run(main)
