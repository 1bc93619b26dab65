"""Converts the model of a run to a full-int8 TFLite file with its manifest inside.

corallite convert --run_dir=runs/first
corallite convert --run_dir=runs/first --method=auto

Takes the quantization-aware model if there is one, else it measures ranges on training
images. --method=auto tries post-training quantization, the same with corrected biases,
then quantization-aware training, and takes the first that holds --max_drop. A file that
does not is kept beside, the former one stays, and the exit status is 1.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.convert.accuracy.gate import AccuracyLostError
from corallite.convert.accuracy.gate_text import format_loss, format_parity
from corallite.convert.export.int8 import convert, read_parity
from corallite.convert.export.plan import METHODS, SOURCES
from corallite.device.cli import program
from corallite.optimize.calibrate.choose_images import DEFAULT_COUNT
from corallite.optimize.quantize.specs import GRANULARITIES

_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Run folder with a trained model.", required=True
)
_SOURCE = flags.DEFINE_enum(
    "source", None, SOURCES, "Stage to convert; by default the most advanced."
)
_METHOD = flags.DEFINE_enum(
    "method", None, METHODS, "How to quantize; by default what suits the stage."
)
_GRANULARITY = flags.DEFINE_enum(
    "granularity",
    None,
    GRANULARITIES,
    "Scales of a convolution: one a channel, or one for all (STM32MP2 and others); by "
    "default as the stage was trained, else one a channel.",
)
_MAX_DROP = flags.DEFINE_float(
    "max_drop",
    None,
    "Points of top-1 that int8 may be below float on the validation part; by default "
    "0.5 after quantization-aware training, else 1.",
    lower_bound=0.0,
)
_CALIBRATION_COUNT = flags.DEFINE_integer(
    "calibration_count",
    DEFAULT_COUNT,
    "At most so many training images that ranges are measured on.",
    lower_bound=1,
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Convert again if it was done with other settings."
)


def main(argv: Sequence[str]) -> int:
    program.reject_arguments(argv)
    run_dir = Path(_RUN_DIR.value)
    try:
        stage = convert(
            run_dir,
            source=_SOURCE.value,
            method=_METHOD.value,
            granularity=_GRANULARITY.value,
            calibration_count=_CALIBRATION_COUNT.value,
            max_drop=_MAX_DROP.value,
            overwrite=_OVERWRITE.value,
        )
    except AccuracyLostError as error:
        print(format_loss(error))
        return program.EXIT_CHECK_FAILED
    accuracy, source = stage.recall(
        lambda x: (float(x["val_accuracy"]), x["inputs"]["source"])
    )
    size = stage.model_path.stat().st_size
    print(
        f"{stage.model_path}: {size:,} bytes, from {source}, validation accuracy "
        f"{accuracy:.4f}"
    )
    parity = read_parity(run_dir)
    if parity:
        print(f"\n{format_parity(parity)}")
    return program.EXIT_DONE


if __name__ == "__main__":
    program.run(main)
