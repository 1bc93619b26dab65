"""From a folder of labelled images to a tested int8 file, all steps in order.

corallite pipeline --data_dir=photos --run_dir=runs/first

Trains, prunes, trains quantization-aware, converts, evaluates every stage on the test
part, prints the table and writes report.html. Stopped or killed, the same command goes
on.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.convert.int8_source import METHODS
from corallite.convert.parity import AccuracyLostError
from corallite.convert.parity_text import format_loss
from corallite.convert.pipeline import Recipes, run_pipeline
from corallite.convert.report.report import write_report
from corallite.convert.result_table import format_table
from corallite.device import preprocess, program
from corallite.optimize.quantize import GRANULARITIES
from corallite.train import datasets, recipe_flags
from corallite.train.models.registry import BUILDERS
from corallite.train.train import Network

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
_SPARSITY = flags.DEFINE_float(
    "sparsity",
    0.5,
    "Zero fraction of all kernel weights; 0 leaves pruning out.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_METHOD = flags.DEFINE_enum("method", "qat", METHODS, "How to quantize.")
_GRANULARITY = flags.DEFINE_enum(
    "granularity", "channel", GRANULARITIES, "Scales of a convolution."
)
_MAX_DROP = flags.DEFINE_float(
    "max_drop",
    None,
    "Points of top-1 that int8 may be below float on the validation part; by default "
    "0.5 after quantization-aware training, else 1.",
    lower_bound=0.0,
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Make stages again that were made with other settings."
)
_TRAIN = recipe_flags.define(Recipes().train)
_TRANSFER = recipe_flags.define_transfer()
_PRUNE = recipe_flags.define(Recipes().prune, prefix="prune_")
_QUANTIZE = recipe_flags.define(Recipes().quantize, prefix="quantize_")


def main(argv: Sequence[str]) -> int:
    program.reject_arguments(argv)
    run_dir, size = Path(_RUN_DIR.value), _IMAGE_SIZE.value
    recipes = Recipes(_TRAIN(), _PRUNE(), _QUANTIZE())
    try:
        results = run_pipeline(
            datasets.locate(_DATA_DIR.value, _DATASET.value),
            run_dir,
            Network(_MODEL.value, _WIDTH.value, (size, size)),
            recipes,
            transfer=_TRANSFER(recipes.train.epochs),
            sparsity=_SPARSITY.value,
            fit_policy=_FIT.value,
            method=_METHOD.value,
            granularity=_GRANULARITY.value,
            max_drop=_MAX_DROP.value,
            overwrite=_OVERWRITE.value,
        )
    except AccuracyLostError as error:
        print(format_loss(error))
        return program.EXIT_CHECK_FAILED
    print(format_table(results))
    print(f"\nreport  {write_report(run_dir)}")
    return program.EXIT_DONE


if __name__ == "__main__":
    program.run(main)
