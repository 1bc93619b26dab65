"""Converts the model of a run to a full-int8 TFLite file with its manifest inside.

corallite convert --run_dir=runs/first
corallite convert --run_dir=runs/first --method=auto
corallite convert --run_dir=runs/first --to=features
corallite convert --compact=FILE

Converts the qat stage if there is one, else quantizes after training with ranges
measured on training images. --method=auto tries post-training quantization, the same
with corrected biases, then quantization-aware training, and takes the first that loses
no more than --max_drop. A file that loses more is kept under another name, the former
file stays, and the exit status is 1.

--compact rewrites any .tflite file, without a run: the same outputs from fewer bytes.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.convert.accuracy.gate import AccuracyLostError
from corallite.convert.accuracy.gate_text import format_comparison
from corallite.convert.accuracy.record import read_comparison
from corallite.convert.cli import request_flags
from corallite.convert.export.compact_file import compact_file
from corallite.convert.export.convert import convert
from corallite.convert.export.plan import SOURCES
from corallite.convert.export.target import TARGETS
from corallite.device.cli import program
from corallite.device.model.refusal import Refusal
from corallite.device.system.errors import RequestError
from corallite.optimize.calibrate.choose_images import DEFAULT_COUNT
from corallite.train.cli import run_flags

_RUN = run_flags.define("Run folder with a trained model.", required=False)
_TO = flags.DEFINE_enum(
    "to",
    "int8",
    list(TARGETS),
    "What to make: int8, the file for the device; or features, the network without its "
    "head, for corallite teach.",
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

flags.mark_flags_as_mutual_exclusive(["run_dir", "compact"], required=True)


def main(argv: Sequence[str]) -> int:
    program.reject_arguments(argv)
    if _COMPACT.value is not None:
        return _compact(Path(_COMPACT.value))
    if _OUT.value is not None:
        raise RequestError("--out names a compacted file; give --compact=FILE too.")
    return _convert()


def _convert() -> int:
    request = dataclasses.replace(
        _REQUEST(), source=_SOURCE.value, calibration_count=_CALIBRATION_COUNT.value
    )
    try:
        stage = convert(*_RUN(), request, _TO.value)
    except AccuracyLostError as error:
        print(format_comparison(error.comparison))
        return program.EXIT_CHECK_FAILED
    accuracy, source, refusal = stage.recall(
        lambda x: (float(x["val_accuracy"]), x["inputs"]["source"], x.get("refusal"))
    )
    size = stage.model_path.stat().st_size
    print(
        f"{stage.model_path}: {size:,} bytes, from {source}, validation accuracy "
        f"{accuracy:.4f}"
    )
    if refusal:
        print(f"It {Refusal.from_json(refusal).explain()}.")
    comparison = read_comparison(stage)
    if comparison:
        print(f"\n{format_comparison(comparison)}")
    return program.EXIT_DONE


def _compact(path: Path) -> int:
    out = Path(_OUT.value or path.with_name(f"{path.stem}_compact.tflite"))
    before, after = compact_file(path, out, overwrite=_REQUEST().overwrite)
    share = 100 * (before - after) / before
    print(f"{out}: {after:,} bytes, {share:.1f} % fewer than {path}")
    return program.EXIT_DONE


if __name__ == "__main__":
    program.run(main)
