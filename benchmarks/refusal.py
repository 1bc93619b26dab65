"""Measures precision and coverage of taught models on test photos.

    python benchmarks/refusal.py --cells=runs/few_photos

`--cells` is the --work_dir of few_photos. In each cell, models are taught with the
photos to train, and judged on the test photos:

- precision (target and reached) and coverage, also of a plain threshold of 0.5;
- a class left out: models of the others see its test photos. AUROC is the probability
  that a photo of a known class has a higher top probability than one of that class.

Prints a table of the means over the seeds.
"""

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from absl import flags

from corallite.device.cli import program
from corallite.device.engine.classifier import Classifier
from corallite.device.image.preprocess import fit_image, read_image
from corallite.device.learn.features_file import SHIPPED
from corallite.device.learn.fit_refusal import RefusalSettings
from corallite.device.learn.photos import list_photos
from corallite.device.learn.teach import teach
from corallite.device.model.refusal import Refusal

_CELLS = flags.DEFINE_string("cells", None, "Folder of the cells.", required=True)
_ASKED = (0.8, 0.9, 0.95, 0.98)
# What other programs use.
_PLAIN = Refusal(threshold=0.5)


def main(argv: Sequence[str]) -> None:
    """Prints the tables."""
    program.reject_arguments(argv)
    results: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for cell in sorted(Path(_CELLS.value).glob("*_seed*")):
        count = cell.name.partition("_")[0]
        for name, numbers in [*_measure(cell), *_measure_left_out(cell)]:
            results.setdefault((count, name), []).append(numbers)
    for (count, name), rows in sorted(results.items()):
        columns = zip(*rows, strict=True)
        shown = (
            f"{100 * statistics.mean(x):.1f} ({100 * min(x):.1f} to {100 * max(x):.1f})"
            for x in columns
        )
        print(f"| {count} | {name} | {' | '.join(shown)} |")


def _measure(cell: Path) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yields precision and coverage for each target, and for a threshold of 0.5."""
    test = list_photos(cell / "photos" / "test")
    labels = np.array(test.labels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        raw = None
        for asked in _ASKED:
            refusal = _teach(cell / "photos" / "train", path, asked)
            raw = _predict(path, test.paths) if raw is None else raw
            for name, rule in ((f"asked {asked:g}", refusal), ("0.5", _PLAIN)):
                calibrated = rule.calibrate(raw)
                named = rule.name_each(calibrated, test.class_names)
                right = calibrated.argmax(1) == labels
                if rule is refusal or asked == _ASKED[0]:
                    yield name, (right[named].mean(), named.mean())


def _measure_left_out(cell: Path) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yields AUROC, and how many photos of an unknown class are named."""
    test = list_photos(cell / "photos" / "test")
    labels = np.array(test.labels)
    for number, name in enumerate(test.class_names):
        with tempfile.TemporaryDirectory() as folder:
            photos, path = Path(folder) / "photos", Path(folder) / "model.tflite"
            photos.mkdir()
            for other in test.class_names:
                if other != name:
                    source = cell / "photos" / "train" / other
                    (photos / other).symlink_to(source.resolve())
            refusal = _teach(photos, path, RefusalSettings().precision)
            raw = _predict(path, test.paths)
        known = tuple(x for x in test.class_names if x != name)
        is_new = labels == number
        sure = refusal.calibrate(raw).max(1)
        shares = [
            rule.name_each(rule.calibrate(raw), known)[rows].mean()
            for rule in (refusal, _PLAIN)
            for rows in (is_new, ~is_new)
        ]
        yield "class left out", (_measure_auroc(sure[~is_new], sure[is_new]), *shares)


def _teach(photos: Path, path: Path, asked: float) -> Refusal:
    path.unlink(missing_ok=True)
    # None if a class has a single scene: then everything is named.
    return teach(photos, path, SHIPPED, RefusalSettings(asked)).refusal or Refusal()


def _predict(path: Path, photos: Sequence[Path]) -> np.ndarray:
    """Returns probabilities without temperature, float32 `[n, classes]`."""
    manifest = Classifier(path).manifest.with_classes(refusal=None)
    plain = Classifier(path, manifest=manifest)
    preprocessing = plain.preprocessing
    images = (fit_image(read_image(photo), preprocessing) for photo in photos)
    return np.array([plain.run(image) for image in images])


def _measure_auroc(higher: np.ndarray, lower: np.ndarray) -> float:
    """Returns the share of pairs in the right order; equal ones count half."""
    difference = higher[:, np.newaxis] - lower
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


if __name__ == "__main__":
    program.run(main)
