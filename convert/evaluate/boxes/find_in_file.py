"""What a file that finds boxes predicts on images, with the code of the device."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corallite.convert.evaluate.predict_file import run_all
from corallite.device.engine.base import Detection
from corallite.device.engine.detect.detector import Detector
from corallite.device.engine.first_use import require_no_crash
from corallite.device.engine.runner import Runner
from corallite.device.engine.runners import litert
from corallite.device.engine.runtime import read_model
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.system.errors import RequestError
from corallite.train.data.load import Split
from corallite.train.runs.found import LEAST_SCORE
from corallite.train.training.detect.average_precision import Found

# Images to time.
_TIMED = 500


class Predicted(NamedTuple):
    """What a model predicts for the images of a split.

    Attributes:
        found: The boxes of each image.
        probabilities: float32 `[n, classes]`; without classes `[n, 0]`.
    """

    found: list[Found]
    probabilities: np.ndarray


def time_boxes(path: Path, split: Split) -> list[float]:
    """Returns the milliseconds of each inference, with the search for peaks.

    The threshold is that of the file: there are many more peaks above LEAST_SCORE.
    """
    detector, latencies_ms = open_detector(path, is_low=False), []
    for pixels in split.images_rgb_u8[:_TIMED]:
        began_s = time.perf_counter()
        detector.run(pixels)
        latencies_ms.append(1000 * (time.perf_counter() - began_s))
    return latencies_ms


def predict_boxes(path: Path, split: Split) -> Predicted:
    """Predicts each image of a split."""
    first = open_detector(path)
    found = run_all(first, lambda: open_detector(path), split.images_rgb_u8)
    return _collect(list(found), first.manifest)


def predict_boxes_by(
    name: str, manifest: Manifest, runner: Runner, split: Split
) -> Any:
    """Predicts each image of a split with a runner."""
    wanted = manifest.with_boxes(threshold=LEAST_SCORE)
    detector = Detector(name, manifest=wanted, runner=runner)
    found = [detector.run(pixels) for pixels in split.images_rgb_u8]
    return _collect(found, wanted)


def open_detector(path: Path, *, is_low: bool = True) -> Detector:
    """Opens a `.tflite` file with a manifest.

    Args:
        path: The file.
        is_low: Find every box that counts in mAP50, not those of its own threshold.

    Raises:
        RequestError: It is no such file, or cannot be run.
    """
    content = read_model(path)
    manifest = read_manifest(path, content)
    if manifest is None or manifest.boxes is None:
        raise RequestError(
            f"{path}: has no manifest with boxes; convert the run again with "
            "`corallite convert`."
        )
    require_no_crash(path, content)
    runner = litert.load(path, 1, content)
    if is_low:
        manifest = manifest.with_boxes(threshold=LEAST_SCORE)
    return Detector(path, manifest=manifest, runner=runner)


def _collect(predicted: list[Detection], manifest: Manifest) -> Predicted:
    if manifest.boxes is None:
        raise ValueError("Expected a manifest with boxes.")
    numbers = {label: number for number, label in enumerate(manifest.boxes.labels)}
    height, width = manifest.preprocessing.size_hw
    found = []
    for image in predicted:
        corners = np.array([box[2:] for box in image.boxes]).reshape(-1, 4)
        found.append(
            Found(
                np.array([numbers[box.label] for box in image.boxes], np.int64),
                np.array([box.score for box in image.boxes], np.float64),
                np.clip(corners / (width, height, width, height), 0.0, 1.0),
            )
        )
    return Predicted(found, np.array([image.probabilities for image in predicted]))
