"""What a file that finds boxes predicts on images, with the code of the device."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corallite.convert.evaluate.predict_file import TIMED, run_all
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


class Predicted(NamedTuple):
    """What a model predicts for the images of a split.

    Attributes:
        found: The boxes of each image.
        probabilities: float32 `[n, classes]`; without classes `[n, 0]`.
    """

    found: list[Found]
    probabilities: np.ndarray


def predict_boxes_timed(path: Path, split: Split) -> tuple[Predicted, list[float]]:
    """Predicts each image, and times the first 2,000, in milliseconds."""
    detector = open_detector(path)
    predicted, latencies_ms = [], []
    for pixels in split.images_rgb_u8[:TIMED]:
        began_s = time.perf_counter()
        predicted.append(detector.run(pixels))
        latencies_ms.append(1000 * (time.perf_counter() - began_s))
    rest = split.images_rgb_u8[TIMED:]
    predicted += run_all(detector, lambda: open_detector(path), rest)
    return _collect(predicted, detector.manifest), latencies_ms


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


def open_detector(path: Path) -> Detector:
    """Opens a `.tflite` file with a manifest, with every box that counts in mAP50.

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
    wanted = manifest.with_boxes(threshold=LEAST_SCORE)
    return Detector(path, manifest=wanted, runner=runner)


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
