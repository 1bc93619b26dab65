"""Converts the model of a run to a full-int8 TFLite file with its manifest inside.

corallite convert --run_dir=runs/first

Takes the quantization-aware model if there is one. --source=float converts without it,
by post-training quantization with ranges measured on training images.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.convert.int8_stage import SOURCES, convert
from corallite.device import program
from corallite.optimize.calibration import DEFAULT_COUNT

_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Run folder with a trained model.", required=True
)
_SOURCE = flags.DEFINE_enum(
    "source", None, SOURCES, "Stage to convert; by default the most advanced."
)
_CALIBRATION_COUNT = flags.DEFINE_integer(
    "calibration_count",
    DEFAULT_COUNT,
    "Training images that ranges are measured on, if not trained.",
    lower_bound=1,
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Convert again if it was done with other settings."
)


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    stage = convert(
        Path(_RUN_DIR.value),
        source=_SOURCE.value,
        calibration_count=_CALIBRATION_COUNT.value,
        overwrite=_OVERWRITE.value,
    )
    accuracy = stage.metrics()["val_accuracy"]
    size = stage.model_path.stat().st_size
    source = stage.metrics()["inputs"]["source"]
    print(
        f"{stage.model_path}: {size:,} bytes, from {source}, validation accuracy "
        f"{accuracy:.4f}"
    )


if __name__ == "__main__":
    program.run(main)
