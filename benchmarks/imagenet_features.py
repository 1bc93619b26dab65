"""Makes the features file of a network with ImageNet weights, without training.

    python benchmarks/imagenet_features.py --photos=FOLDER --out=features.tflite

The ranges of int8 are measured on the photos below the folder, at most 500 of them; the
same photos give the same file.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from corallite.convert.export.targets.features import remove_head
from corallite.convert.tflite.converter import convert_to_int8
from corallite.device.cli import program
from corallite.device.image.preprocess import Preprocessing, fit_image, read_image
from corallite.device.model.manifest import Manifest
from corallite.device.system import files
from corallite.train.data.listing.layout import is_image
from corallite.train.framework.keras import keras
from corallite.train.models import registry
from corallite.train.runs.record import package_versions
from corallite.train.weights.imagenet import locate_imagenet
from corallite.train.weights.pretrained import read_pretrained

_PHOTOS = flags.DEFINE_string("photos", None, "Folder of photos.", required=True)
_OUT = flags.DEFINE_string("out", None, "The file to write.", required=True)
_MODEL = flags.DEFINE_enum(
    "model", registry.DEFAULT, list(registry.NETWORKS), "The network."
)
_WIDTH = flags.DEFINE_float("width", 1.0, "Its width.")
_SIDE = flags.DEFINE_integer("image_size", 224, "Height and width of its input.")
_MOST_PHOTOS = 500


def main(argv: Sequence[str]) -> None:
    """Writes the file and prints its size."""
    program.reject_arguments(argv)
    preprocessing = Preprocessing((_SIDE.value, _SIDE.value))
    content = convert_to_int8(_build(), _read_photos(preprocessing))
    manifest = Manifest.of_classifier(
        f"{_MODEL.value} {_WIDTH.value}x",
        "ImageNet",
        (),
        preprocessing,
        versions=package_versions(),
    )
    files.write_bytes(Path(_OUT.value), remove_head(content, manifest))
    print(f"{_OUT.value}: {Path(_OUT.value).stat().st_size:,} bytes")


def _build() -> keras.Model:
    model, width = _MODEL.value, _WIDTH.value
    pretrained = read_pretrained(locate_imagenet(model, width), model, width)
    network = registry.build(
        model,
        (_SIDE.value, _SIDE.value, 3),
        pretrained.num_classes or 1000,
        width=width,
        conventions=pretrained.conventions,
    )
    pretrained.give_to(network)
    return network


def _read_photos(preprocessing: Preprocessing) -> np.ndarray:
    """Returns float32 `[n, height, width, 3]`, 0 to 1, evenly spaced over the paths."""
    paths = [x for x in files.walk(Path(_PHOTOS.value), set()) if is_image(x)]
    rows = np.linspace(0, len(paths) - 1, min(len(paths), _MOST_PHOTOS)).astype(int)
    pixels = [fit_image(read_image(paths[row]), preprocessing) for row in rows]
    return np.stack(pixels).astype(np.float32) / 255


if __name__ == "__main__":
    program.run(main)
