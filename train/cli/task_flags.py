"""The flags that say what is trained on what, for every program that begins a run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from absl import flags

from corallite.device.image import preprocess
from corallite.train.data import datasets
from corallite.train.models.registry import BUILDERS
from corallite.train.runs.run import Run
from corallite.train.training.initialization import Network

# The flags are those of the program that asks for them: --help lists no others.
flags.disclaim_key_flags()


@dataclass(frozen=True)
class Task:
    """What is trained on what.

    Attributes:
        data_dir: Class folders.
        run: Where all that is made goes.
        network: Which network.
        fit_policy: How an image is made square, one of `preprocess.FITS`.
    """

    data_dir: Path
    run: Run
    network: Network
    fit_policy: str


def define() -> Callable[[], Task]:
    """Defines the flags; returns a function that reads them.

    The function writes a --dataset, if that is not done yet. It raises `RequestError`
    if the flags contradict each other or the set is not to be had.
    """
    data_dir = flags.DEFINE_string(
        "data_dir", None, "Folder with one folder of images a class."
    )
    dataset = flags.DEFINE_enum(
        "dataset", None, ("fashion_mnist",), "A known data set in place of --data_dir."
    )
    run_dir = flags.DEFINE_string(
        "run_dir", None, "Folder for all that this run makes.", required=True
    )
    model = flags.DEFINE_enum("model", "shufflenet_v2", list(BUILDERS), "Network.")
    width = flags.DEFINE_float(
        "width", 1.0, "Multiplies the channels of all layers.", lower_bound=0.1
    )
    image_size = flags.DEFINE_integer(
        "image_size",
        224,
        "Height and width of the model's input, in pixels.",
        lower_bound=32,
    )
    fit = flags.DEFINE_enum(
        "fit", "crop", preprocess.FITS, "How an image is made square."
    )

    def read() -> Task:
        # Before a --dataset is written.
        run = Run.open(Path(run_dir.value))
        size = image_size.value
        network = Network(model.value, width.value, (size, size))
        images = datasets.locate(data_dir.value, dataset.value)
        return Task(images, run, network, fit.value)

    return read
