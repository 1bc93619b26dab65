"""Compares TensorFlow Lite Micro with LiteRT on photos.

    python benchmarks/micro.py --model=model_int8.tflite --photos=photos/test

Prints a table: for how many photos the numbers that enter the dense layer, and the
scores, equal those of LiteRT's reference kernels bit by bit, and for how many the label
is that of LiteRT's default kernels. Exit status 1 if a number before the dense layer
differs.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from corallite.convert.micro.predict import compare_with_litert
from corallite.device.cli import program
from corallite.device.engine.classifier import Classifier
from corallite.device.image.preprocess import IMAGE_SUFFIXES, fit_image, read_image
from corallite.device.system.errors import RequestError

_MODEL = flags.DEFINE_string("model", None, "The .tflite file.", required=True)
_PHOTOS = flags.DEFINE_string("photos", None, "Folder with photos.", required=True)
_COUNT = flags.DEFINE_integer("count", 1_000, "Photos that are used.", lower_bound=1)


def main(argv: Sequence[str]) -> int:
    """Runs the model on the photos and prints the table."""
    program.reject_arguments(argv)
    classifier = Classifier(_MODEL.value)
    content = Path(_MODEL.value).read_bytes()
    images = np.stack(
        [fit_image(read_image(x), classifier.preprocessing) for x in _draw_photos()]
    )
    found = compare_with_litert(content, classifier.manifest, images)
    rows = {
        "images": found.images,
        "numbers that enter the dense layer equal, bit by bit": found.same_before_dense,
        "scores equal, bit by bit": found.same_scores,
        "label of LiteRT's default kernels (XNNPACK)": found.same_label,
        "largest difference of a score from those, in 1/256": found.most_difference,
    }
    print(f"| | {Path(_MODEL.value).name} |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value:,} |")
    is_equal = found.same_before_dense == found.images
    return program.EXIT_DONE if is_equal else program.EXIT_CHECK_FAILED


def _draw_photos() -> list[Path]:
    folder = Path(_PHOTOS.value)
    found = sorted(x for x in folder.rglob("*") if x.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise RequestError(f"{folder}: has no photos; give another folder.")
    chosen = np.random.default_rng(0).permutation(len(found))[: _COUNT.value]
    return [found[i] for i in sorted(chosen)]


if __name__ == "__main__":
    program.run(main)
