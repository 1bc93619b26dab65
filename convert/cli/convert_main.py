"""Converts the model of a run: to a full-int8 TFLite file, or for other runtimes.

corallite convert --run_dir=runs/first
corallite convert --run_dir=runs/first --method=auto
corallite convert --run_dir=runs/first --to=onnx,openvino_int8
corallite convert --list
corallite convert --compact=FILE

Converts the qat stage if there is one, else quantizes after training with ranges
measured on training images. --method=auto tries post-training quantization, the same
with corrected biases, then quantization-aware training, and takes the first that loses
no more than --max_drop. A file that loses more is kept under another name, the former
file stays, and the exit status is 1.

--to makes other files, in RUN/exports/NAME, each compared with the model that it was
made from; --list shows what there is, what it needs and where it was run.

--compact rewrites any .tflite file, without a run: the same outputs from fewer bytes.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.convert.accuracy.gate import AccuracyLostError
from corallite.convert.accuracy.gate_text import format_comparison
from corallite.convert.accuracy.record import read_comparison
from corallite.convert.cli import request_flags
from corallite.convert.export.compact_file import compact_file
from corallite.convert.export.convert import convert
from corallite.convert.export.plan import SOURCES, Request
from corallite.convert.export.registry import (
    find_target,
    format_targets,
    list_targets,
    refuse_unknown_options,
)
from corallite.convert.onnx.choices import DEFAULT_OPSET, LAYOUTS, OPSETS
from corallite.device.cli import program
from corallite.device.model.refusal import Refusal
from corallite.device.system.errors import RequestError
from corallite.optimize.calibrate.choose_images import DEFAULT_COUNT
from corallite.train.cli import run_flags
from corallite.train.data.load import ImageData
from corallite.train.runs.run import Run

_RUN = run_flags.define("Run folder with a trained model.", required=False)
_TO = flags.DEFINE_list(
    "to", ["int8"], "What to make, several with commas; see --list."
)
_LIST = flags.DEFINE_boolean("list", None, "List what --to can make, and stop.")
_LAYOUT = flags.DEFINE_enum(
    "layout", None, LAYOUTS, "Input of ONNX: nhwc (default), or nchw, as in PyTorch."
)
_OPSET = flags.DEFINE_integer(
    "opset",
    None,
    f"Version of ONNX's operators; default {DEFAULT_OPSET}.",
    OPSETS[0],
    OPSETS[-1],
)
_SYMMETRIC = flags.DEFINE_boolean(
    "symmetric",
    None,
    "ONNX in int8: all zero points 0 and biases in float, for runtimes that have "
    "nothing else, such as TensorRT.",
)
_SOURCE = flags.DEFINE_enum(
    "source",
    None,
    SOURCES,
    "Stage to convert; by default qat, else pruned, slim or float.",
)
_CALIBRATION_COUNT = flags.DEFINE_integer(
    "calibration_count",
    DEFAULT_COUNT,
    "Maximum number of training images that ranges are measured on.",
    lower_bound=1,
)
_REQUEST = request_flags.define()
_COMPACT = flags.DEFINE_string(
    "compact", None, "A .tflite file of any tool to compact, instead of a run."
)
_OUT = flags.DEFINE_string(
    "out", None, "The compacted file; by default NAME_compact.tflite beside FILE."
)

flags.mark_flags_as_mutual_exclusive(["run_dir", "compact", "list"], required=True)
# Flags that only some targets use.
_OF_SOME = ("method", "granularity", "calibration_count")
_OPTIONS = {"layout": _LAYOUT, "opset": _OPSET, "symmetric": _SYMMETRIC}
_OF_A_RUN = ("to", "source", "max_drop", *_OF_SOME, *_OPTIONS)


def main(argv: Sequence[str]) -> int:
    program.reject_arguments(argv)
    if _LIST.value:
        print(format_targets(list_targets()))
        return program.EXIT_DONE
    if _COMPACT.value is not None:
        return _compact(Path(_COMPACT.value))
    if _OUT.value is not None:
        raise RequestError("--out names a compacted file; give --compact=FILE too.")
    return _convert()


def _convert() -> int:
    names = [name.strip() for name in _TO.value if name.strip()]
    if not names:
        raise RequestError("--to names no target; see --list.")
    # int8 comes first, because others are made from it.
    names.sort(key=lambda name: name != "int8")
    targets = [find_target(name) for name in dict.fromkeys(names)]
    options = {x: y.value for x, y in _OPTIONS.items() if y.value is not None}
    given = [name for name in _OF_SOME if flags.FLAGS[name].present]
    refuse_unknown_options([*options, *given], targets)
    for target in targets:
        target.require_packages()
    request = dataclasses.replace(
        _REQUEST(),
        source=_SOURCE.value,
        calibration_count=_CALIBRATION_COUNT.value,
        options=options,
    )
    run, data = _RUN()
    if len(targets) == 1:
        return _convert_to(targets[0].name, run, data, request)
    return max(_try_to(target.name, run, data, request) for target in targets)


def _try_to(name: str, run: Run, data: ImageData, request: Request) -> int:
    """Does the same; one that cannot be made does not stop the others."""
    try:
        return _convert_to(name, run, data, request)
    except RequestError as error:
        print(f"corallite: --to={name}: {error}", file=sys.stderr)
        return program.EXIT_BAD_REQUEST


def _convert_to(name: str, run: Run, data: ImageData, request: Request) -> int:
    try:
        stage = convert(run, data, request, name)
    except AccuracyLostError as error:
        print(format_comparison(error.comparison))
        return program.EXIT_CHECK_FAILED
    size = sum(path.stat().st_size for path in stage.list_files())
    source, metrics = stage.recall(lambda x: (x["inputs"]["source"], x))
    accuracy = metrics.get("val_accuracy")
    measured = "" if accuracy is None else f", validation accuracy {accuracy:.4f}"
    print(f"{stage.model_path}: {size:,} bytes, from {source}{measured}")
    for line in metrics.get("notes", ()):
        print(line)
    if metrics.get("refusal"):
        print(f"It {Refusal.from_json(metrics['refusal']).explain()}.")
    comparison = read_comparison(stage)
    if comparison:
        print(f"\n{format_comparison(comparison)}")
    return program.EXIT_DONE


def _compact(path: Path) -> int:
    program.refuse_flags(_OF_A_RUN, "--compact")
    out = Path(_OUT.value or path.with_name(f"{path.stem}_compact.tflite"))
    before, after = compact_file(path, out, overwrite=_REQUEST().overwrite)
    share = 100 * (before - after) / before
    print(f"{out}: {after:,} bytes, {share:.1f} % fewer than {path}")
    return program.EXIT_DONE


if __name__ == "__main__":
    program.run(main)
