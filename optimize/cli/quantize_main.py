"""Trains the model of a run quantization-aware, so that int8 costs no accuracy.

corallite quantize --run_dir=runs/first

Begins with the pruned model if there is one, whose zeros stay, else with the float
model. Stopped or killed, the same command goes on.
"""

from pathlib import Path

from absl import flags

from corallite.device.cli import program
from corallite.optimize.quantize.add_quantizers import GRANULARITIES
from corallite.optimize.quantize.qat_stage import DEFAULT_RECIPE, train_quantized
from corallite.train.cli import recipe_flags

_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Run folder with a trained model.", required=True
)
_GRANULARITY = flags.DEFINE_enum(
    "granularity",
    "channel",
    GRANULARITIES,
    "Scales of a convolution: one a channel, or one for all (STM32MP2 and others).",
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Make the stage again if it was made with other settings."
)
_RECIPE = recipe_flags.define(DEFAULT_RECIPE)


def main(argv):
    program.reject_arguments(argv)
    stage = train_quantized(
        Path(_RUN_DIR.value),
        _RECIPE(),
        granularity=_GRANULARITY.value,
        overwrite=_OVERWRITE.value,
    )
    print(f"{stage.model_path}: validation accuracy {stage.best_accuracy():.4f}")


if __name__ == "__main__":
    program.run(main)
