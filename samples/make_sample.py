"""Makes samples/fashion_mnist.tar.xz out of Fashion-MNIST.

    python samples/make_sample.py

The first images of each class, of the official training and test parts, as class
folders of PGM files. The same input gives the same bytes.
"""

import io
import lzma
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from absl import flags, logging

from corallite.device.cli import program
from corallite.device.system import files
from corallite.train.data import datasets

_OUTPUT = flags.DEFINE_string(
    "output", "samples/fashion_mnist.tar.xz", "The archive to write."
)
_TRAIN_PER_CLASS = flags.DEFINE_integer(
    "train_per_class", 625, "Training images of each class.", lower_bound=1
)
_TEST_PER_CLASS = flags.DEFINE_integer(
    "test_per_class", 150, "Test images of each class.", lower_bound=1
)

# For pixels, what was four bytes ago says nothing (pb=0), the upper half of the one
# before says much (lc=4). The dictionary holds the whole archive.
_XZ_FILTER = {
    "id": lzma.FILTER_LZMA2,
    "preset": 9 | lzma.PRESET_EXTREME,
    "dict_size": 2**24,
    "lc": 4,
    "lp": 0,
    "pb": 0,
    "nice_len": 273,
}


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    per_class = {"train": _TRAIN_PER_CLASS.value, "test": _TEST_PER_CLASS.value}
    archive = make_archive(datasets.read_fashion_mnist(), per_class)
    files.write_bytes(Path(_OUTPUT.value), archive)
    logging.info(
        "%s: %d images a class, %d bytes.",
        _OUTPUT.value,
        sum(per_class.values()),
        len(archive),
    )


def make_archive(data: datasets.Arrays, per_class: dict[str, int]) -> bytes:
    """Returns a `.tar.xz` of the first `per_class[part]` images of each class."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for label, name in enumerate(datasets.FASHION_MNIST_CLASSES):
            for part, (images, labels) in data.items():
                rows = np.flatnonzero(labels == label)[: per_class[part]]
                for number in nearest_first(images[rows]):
                    member = tarfile.TarInfo(f"{part}/{name}/{number:04d}.pgm")
                    pgm = encode_pgm(images[rows[number]])
                    member.size = len(pgm)
                    tar.addfile(member, io.BytesIO(pgm))
    return lzma.compress(content.getvalue(), filters=[_XZ_FILTER])


def nearest_first(images: np.ndarray) -> Iterator[int]:
    """Yields row numbers so that each image follows the one most like it.

    Like is a small sum of absolute differences. xz gains 2 % by such neighbours.
    """
    pixels = images.reshape(len(images), -1).astype(np.int32)
    left = np.arange(len(images))
    position = 0
    while left.size:
        current = left[position]
        yield int(current)
        left = np.delete(left, position)
        if left.size:
            position = int(np.abs(pixels[left] - pixels[current]).sum(axis=1).argmin())


def encode_pgm(image_u8: np.ndarray) -> bytes:
    """Returns a binary grey map of uint8 `[height, width]`: 13 bytes, then pixels."""
    height, width = image_u8.shape
    return f"P5\n{width} {height}\n255\n".encode() + image_u8.tobytes()


if __name__ == "__main__":
    program.run(main)
