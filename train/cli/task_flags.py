"""The flags of a network and its images, shared by all programs that begin a run."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from absl import flags

from corallite.device.image import preprocess
from corallite.device.system.errors import RequestError, require_choice
from corallite.train.cli import data_flags
from corallite.train.data import datasets
from corallite.train.models.network import Network, read_network
from corallite.train.models.registry import DEFAULT, NETWORKS
from corallite.train.runs.run import Run
from corallite.train.training.detect.task import CLASSIFY, TASKS, VisionTask

# --help then lists the flags among those of the program that calls `define`.
flags.disclaim_key_flags()
# Of an image, in pixels.
_SIDE = 224


@dataclasses.dataclass(frozen=True)
class Task:
    """A network and its images.

    Attributes:
        data_dir: Class folders, a CSV, or shards.
        group_by: Expression that names the group of an image; None for the groups of
            near-duplicates.
        run: The run to make or to resume.
        network: What to train.
        fit_policy: How an image becomes square, one of `preprocess.FITS`.
        cache_gb: See `make_room`.
    """

    data_dir: Path
    group_by: str | None
    run: Run
    network: Network
    fit_policy: str
    cache_gb: float | None


def define() -> Callable[..., Task]:
    """Defines the flags; returns a function that reads them.

    The function takes another way to open a run than `Run.open`. It writes the class
    folders of a --dataset if necessary. It raises `RequestError` if the flags
    contradict each other or the set cannot be downloaded.
    """
    data_dir = data_flags.define_data_dir()
    group_by = data_flags.define_group_by()
    cache_gb = data_flags.define_cache_gb()
    dataset = flags.DEFINE_enum(
        "dataset", None, ("fashion_mnist",), "A public data set in place of --data_dir."
    )
    run_dir = flags.DEFINE_string(
        "run_dir", None, "Run folder, for all files of this run.", required=True
    )
    model = flags.DEFINE_string(
        "model",
        DEFAULT,
        f"Network: {', '.join(NETWORKS)}, or the network.json of one that `corallite "
        "search` found.",
    )
    width = flags.DEFINE_float(
        "width", 1.0, "Multiplies the channels of all layers.", lower_bound=0.1
    )
    image_size = flags.DEFINE_integer(
        "image_size",
        None,
        "Height and width of the model's input, in pixels; by default 224, or those of "
        "the network.json.",
        lower_bound=min(x.smallest_side for x in NETWORKS.values()),
    )
    fit = flags.DEFINE_enum(
        "fit", "crop", preprocess.FITS, "How an image becomes square."
    )

    def read(open_run: Callable[[Path], Run] = Run.open) -> Task:
        # Checked before a --dataset is written.
        run = open_run(Path(run_dir.value))
        network = _choose_network(model.value, width.value, image_size.value)
        images = datasets.locate(data_dir.value, dataset.value)
        return Task(images, group_by.value, run, network, fit.value, cache_gb.value)

    return read


def define_vision_task() -> Callable[[], VisionTask]:
    """Defines what the network is to find; returns a function that reads it.

    The function raises `RequestError` if the flags contradict each other.
    """
    task = flags.DEFINE_enum(
        "task",
        CLASSIFY,
        TASKS,
        "What to find: classify, the class of an image; detect, boxes of objects; or "
        "both.",
    )
    boxes = flags.DEFINE_string(
        "boxes",
        None,
        "Boxes for --task: a COCO .json, or a folder of Pascal VOC .xml or YOLO .txt "
        "files; by default those in --data_dir.",
    )

    def read() -> VisionTask:
        if boxes.value is not None and task.value == CLASSIFY:
            raise RequestError("--boxes needs --task=detect or --task=both; add it.")
        return VisionTask(
            task.value, None if boxes.value is None else Path(boxes.value)
        )

    return read


def _choose_network(model: str, width: float, side: int | None) -> Network:
    """Returns a network of the registry, or of a file.

    Raises:
        RequestError: There is neither, or the file has its own width.
    """
    if not model.endswith(".json"):
        require_choice("model", model, NETWORKS)
        return Network(model, width, (side or _SIDE, side or _SIDE))
    network = read_network(Path(model))
    if width != 1.0:
        raise RequestError(f"{model} has its own widths; omit --width.")
    if side is None:
        return network
    return dataclasses.replace(network, size_hw=(side, side))
