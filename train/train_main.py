"""Trains a model from a folder of labelled images.

corallite train --data_dir=photos --run_dir=runs/first --model=shufflenet_v2

`photos` holds one folder a class, or train/ val/ test/ with class folders in each.
Stopped or killed, the same command goes on.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.device import preprocess, program
from corallite.train import datasets, recipe_flags
from corallite.train.models.registry import BUILDERS
from corallite.train.train import DEFAULT_RECIPE, Network, train

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder with one folder of images a class."
)
_DATASET = flags.DEFINE_enum(
    "dataset", None, ("fashion_mnist",), "A known data set in place of --data_dir."
)
_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Folder for all that this run makes.", required=True
)
_MODEL = flags.DEFINE_enum("model", "shufflenet_v2", list(BUILDERS), "Network.")
_WIDTH = flags.DEFINE_float(
    "width", 1.0, "Multiplies the channels of all layers.", lower_bound=0.1
)
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size",
    224,
    "Height and width of the model's input, in pixels.",
    lower_bound=32,
)
_FIT = flags.DEFINE_enum("fit", "crop", preprocess.FITS, "How an image is made square.")
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Make the stage again if it was made with other settings."
)
_RECIPE = recipe_flags.define(DEFAULT_RECIPE)
_TRANSFER = recipe_flags.define_transfer()


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    size, recipe = _IMAGE_SIZE.value, _RECIPE()
    stage = train(
        datasets.locate(_DATA_DIR.value, _DATASET.value),
        Path(_RUN_DIR.value),
        Network(_MODEL.value, _WIDTH.value, (size, size)),
        recipe,
        transfer=_TRANSFER(recipe.epochs),
        fit_policy=_FIT.value,
        overwrite=_OVERWRITE.value,
    )
    metrics = stage.metrics()
    best = metrics["history"][metrics["best_epoch"]]
    print(f"{stage.model_path}: validation accuracy {best['val_accuracy']:.4f}")


if __name__ == "__main__":
    program.run(main)
