"""Public data sets, written as class folders."""

import gzip
import hashlib
import lzma
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from absl import logging

from corallite.device.image.opencv import cv2
from corallite.device.system import files
from corallite.device.system.errors import RequestError, require_choice
from corallite.device.system.storage import atomic
from corallite.train.data import download
from corallite.train.data.shards.fetch import locate_images

# Folder of the Debian package dataset-fashion-mnist.
FASHION_MNIST_DIR = Path("/usr/share/datasets/fashion-mnist")

# In the order of the labels; "T-shirt/top" and "Ankle boot" as folder names.
FASHION_MNIST_CLASSES = (
    "t-shirt_top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle_boot",
)

_IDX_PREFIX = {"train": "train", "test": "t10k"}
_MARKER = ".complete"

Arrays = dict[str, tuple[np.ndarray, np.ndarray]]


def fashion_mnist(target_dir: Path, source_dir: Path = FASHION_MNIST_DIR) -> Path:
    """Writes Fashion-MNIST as class folders of PNG files, once.

    Args:
        target_dir: Gets `train/` (60,000 images) and `test/` (10,000), with a folder
            for each of ten classes; grey, 28x28.
        source_dir: Holds the four idx files; if it is missing, Keras downloads them.

    Returns:
        `target_dir`.

    Raises:
        RequestError: `target_dir` holds something else, or the images cannot be
            downloaded.
    """

    def write(folder: Path) -> None:
        for split, (images, labels) in read_fashion_mnist(source_dir).items():
            _write_pngs(folder / split, images, labels)

    return _build_once(target_dir, "fashion-mnist", write)


def read_fashion_mnist(source_dir: Path = FASHION_MNIST_DIR) -> Arrays:
    """Reads images and labels of the splits "train" and "test".

    Returns:
        For each split the images, uint8 `[n, 28, 28]`, grey, white on black, and the
        labels, uint8 `[n]`, 0 to 9 as in `FASHION_MNIST_CLASSES`.

    Raises:
        RequestError: The files are not in `source_dir` and cannot be downloaded.
    """
    if source_dir.is_dir():
        return {split: _read_idx_pair(source_dir, split) for split in _IDX_PREFIX}
    # Imported here because TensorFlow takes seconds, and most callers have the files.
    from corallite.train.framework.keras import keras

    with download.reporting_failure(
        f"Fashion-MNIST is not in {source_dir} and cannot be downloaded; install the "
        "package dataset-fashion-mnist (Debian, Ubuntu) or connect to the internet."
    ):
        train, test = keras.datasets.fashion_mnist.load_data()
    return {"train": train, "test": test}


def unpack_sample(archive: Path, target_dir: Path) -> Path:
    """Unpacks class folders from a `.tar.xz`, once, and again if it has changed.

    Returns:
        `target_dir`.

    Raises:
        RequestError: The archive is damaged or `target_dir` holds something else.
        FileNotFoundError: There is no archive.
    """

    def extract(folder: Path) -> None:
        try:
            with tarfile.open(archive, "r:xz") as tar:
                tar.extractall(folder, filter="data")
        except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
            raise RequestError(
                f"{archive}: damaged ({error}); get it again."
            ) from error

    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return _build_once(target_dir, digest, extract)


def _build_once(target_dir: Path, content: str, build: Callable[[Path], None]) -> Path:
    """Fills a folder beside `target_dir` and renames it, unless it was done before.

    A hidden file in the folder records its `content`; a folder without that file was
    made by somebody else and is not replaced.
    """
    marker = target_dir / _MARKER
    if marker.exists() and marker.read_text() == content:
        return target_dir
    if target_dir.exists() and any(target_dir.iterdir()) and not marker.exists():
        raise RequestError(
            f"{target_dir}: holds other files; remove it or choose another folder."
        )
    logging.info("Writing images to %s.", target_dir)
    with atomic.replacing_folder(target_dir) as partial:
        build(partial)
        (partial / _MARKER).write_text(content)
    return target_dir


def _write_pngs(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    for name in FASHION_MNIST_CLASSES:
        (folder / name).mkdir(parents=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        png = cv2.imencode(".png", image)[1]
        name = FASHION_MNIST_CLASSES[int(label)]
        (folder / name / f"{number:05d}.png").write_bytes(png.tobytes())


def _read_idx_pair(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    prefix = _IDX_PREFIX[split]
    images = _read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
    return images, _read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")


def _read_idx(path: Path) -> np.ndarray:
    """Reads uint8 idx: two zeros, type 8, number of axes, big-endian sizes, data."""
    try:
        content = gzip.decompress(path.read_bytes())
        num_axes = content[3]
        shape = np.frombuffer(content, ">i4", num_axes, offset=4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * num_axes).reshape(shape)
    except (gzip.BadGzipFile, zlib.error, EOFError, IndexError, ValueError) as error:
        raise RequestError(f"{path}: damaged ({error}); install it again.") from error


def locate(data_dir: str | None, dataset: str | None) -> Path:
    """Returns the folder with the images; writes or copies them if necessary.

    Args:
        data_dir: A folder of the user, or an address (see `locate_images`); or None.
        dataset: "fashion_mnist", kept in the user's cache folder; or None.

    Raises:
        RequestError: Neither or both are given, or the set cannot be downloaded, or
            the shards cannot be copied.
    """
    if (data_dir is None) == (dataset is None):
        raise RequestError("Give either --data_dir or --dataset.")
    if data_dir is not None:
        return locate_images(data_dir)
    require_choice("dataset", dataset, ("fashion_mnist",))
    return fashion_mnist(files.cache_folder() / "fashion_mnist")
