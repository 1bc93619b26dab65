"""Makes a run of a Keras model of your own, without training.

corallite adopt --model=mine.keras --data_dir=photos --run_dir=runs/mine

The model is a .keras or .h5 file or a SavedModel of Keras 2, such as Teachable
Machine's keras_model.h5 with labels.txt beside it. Its input range and the order of its
outputs are found by its accuracy on the photos. Then prune, quantize, convert, evaluate
and report work on the run. A file that could execute code is refused.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.device.cli import program
from corallite.device.image import preprocess
from corallite.train.adopt.adopted_run import Adoption, adopt
from corallite.train.adopt.input_range import RANGES
from corallite.train.cli import data_flags, run_flags
from corallite.train.data.shards.fetch import locate_images
from corallite.train.runs.accuracy import describe_accuracy
from corallite.train.runs.run import Run

_MODEL = flags.DEFINE_string(
    "model", None, "A .keras or .h5 file, or a folder of a SavedModel.", required=True
)
_DATA_DIR = data_flags.define_data_dir()
flags.mark_flag_as_required(_DATA_DIR)
_GROUP_BY = data_flags.define_group_by()
_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Run folder, for all files of this run.", required=True
)
_LABELS = flags.DEFINE_string(
    "labels",
    None,
    "File with a label per output of the model; by default labels.txt beside it, or "
    "the names of the folders.",
)
_INPUT_RANGE = flags.DEFINE_enum(
    "input_range",
    None,
    RANGES,
    "What the model takes for a pixel; torch and caffe subtract the mean of ImageNet. "
    "By default the range that fits the photos.",
)
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size",
    None,
    "Height and width in pixels, for a model that takes any size.",
    lower_bound=8,
)
_FIT = flags.DEFINE_enum("fit", "crop", preprocess.FITS, "How an image becomes square.")
_TRUST = flags.DEFINE_boolean(
    "trust", False, "Load layers that execute code of the file, such as Lambda."
)
_OVERWRITE = run_flags.define_overwrite()


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    labels = _LABELS.value
    adoption = Adoption(
        Path(_MODEL.value),
        image_size=_IMAGE_SIZE.value,
        fit_policy=_FIT.value,
        input_range=_INPUT_RANGE.value,
        labels=None if labels is None else Path(labels),
        is_trusted=_TRUST.value,
    )
    stage, notes = adopt(
        locate_images(_DATA_DIR.value),
        Run.open(Path(_RUN_DIR.value)),
        adoption,
        group_by=_GROUP_BY.value,
        overwrite=_OVERWRITE.value,
    )
    for note in notes:
        print(note)
    print(f"{stage.model_path}: {describe_accuracy(stage)}")


if __name__ == "__main__":
    program.run(main)
