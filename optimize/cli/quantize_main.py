"""Trains the model of a run with simulated quantization, so that int8 is accurate.

corallite quantize --run_dir=runs/first

Starts from the pruned model, whose zeros stay, or else from the float model. If
interrupted, the same command resumes.
"""

from absl import flags

from corallite.device.cli import program
from corallite.optimize.quantize.qat_stage import train_quantized
from corallite.optimize.quantize.specs import GRANULARITIES
from corallite.train.cli import recipe_flags, run_flags, worker_flags
from corallite.train.runs.accuracy import describe_accuracy
from corallite.train.runs.recipe import QUANTIZE

_RUN = run_flags.define("Run folder with a trained model.")
_GRANULARITY = flags.DEFINE_enum(
    "granularity",
    "channel",
    GRANULARITIES,
    "Scales of a convolution: per-channel, or per-tensor (STM32MP2 and others).",
)
_OVERWRITE = run_flags.define_overwrite()
_RECIPE = recipe_flags.define(QUANTIZE)
_TEACHING = recipe_flags.define_teaching()
_WORKERS = worker_flags.define()


def main(argv):
    program.reject_arguments(argv)
    recipe, teaching = _RECIPE(), _TEACHING()
    with _WORKERS() as workers:
        run, data = _RUN(workers.open_run)
        if data.boxes is not None:
            recipe_flags.refuse_for_boxes(classifies=data.boxes.classifies)
        stage = train_quantized(
            run,
            data,
            recipe,
            granularity=_GRANULARITY.value,
            teaching=teaching,
            overwrite=_OVERWRITE.value,
            workers=workers,
        )
        print(f"{stage.model_path}: {describe_accuracy(stage)}")


if __name__ == "__main__":
    program.run(main)
