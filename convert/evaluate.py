"""Measures stages and files on labelled images, through the code that a device runs."""

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.classifier import Classifier
from corallite.device.manifest import Manifest
from corallite.train.data import Part
from corallite.train.input_pipeline import evaluation_batches
from corallite.train.keras import keras

_BATCH_SIZE = 256
_CALIBRATION_BINS = 15
_Z_95 = 1.96


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a model answers on one part of the images.

    Attributes:
        images: How many were shown.
        top1: Share whose most probable label is right, 0 to 1.
        top1_interval: The 95 % interval of `top1` (Wilson, 1927).
        top5: Share whose label is among the five most probable.
        calibration_error: Expected difference between confidence and accuracy, in 15
            bins (Guo et al., 2017, arXiv:1706.04599).
        confusion: `confusion[true][predicted]`, counts.
        latency_p50_ms: Median time of one inference on this machine, one thread,
            without preprocessing; None where no device could run it.
    """

    images: int
    top1: float
    top1_interval: tuple[float, float]
    top5: float
    calibration_error: float
    confusion: list[list[int]]
    latency_p50_ms: float | None = None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Evaluation":
        """Returns what `dataclasses.asdict` and `json` made a record of."""
        return cls(**{**content, "top1_interval": tuple(content["top1_interval"])})


def evaluate_file(
    path: Path, part: Part, manifest: Manifest | None = None
) -> Evaluation:
    """Evaluates a `.tflite` file as a device would run it.

    Args:
        path: The file.
        part: The images, of the size that the file takes.
        manifest: Used in place of the one that the file carries.

    Raises:
        RequestError: The file cannot be run.
    """
    classifier = Classifier(path, manifest=manifest)
    probabilities, latencies_ms = [], []
    for pixels in part.images_rgb_u8:
        began_s = time.perf_counter()
        probabilities.append(classifier.run(pixels))
        latencies_ms.append(1000 * (time.perf_counter() - began_s))
    evaluation = score(np.array(probabilities), part.labels)
    p50 = float(np.median(latencies_ms))
    return dataclasses.replace(evaluation, latency_p50_ms=round(p50, 4))


def evaluate_keras(model: keras.Model, part: Part) -> Evaluation:
    """Evaluates a Keras model on the same pixels that a device would give it."""
    batches = evaluation_batches(part, _BATCH_SIZE, model.output_shape[-1])
    return score(model.predict(batches, verbose=0), part.labels)


def answer_images(model: keras.Model, part: Part) -> np.ndarray:
    """Returns the most probable label of each image, int `[n]`, as a device picks it.

    Of equal probabilities the first wins.
    """
    batches = evaluation_batches(part, _BATCH_SIZE, model.output_shape[-1])
    return model.predict(batches, verbose=0).argmax(axis=1)


def answer_images_by_file(
    path: Path, part: Part, manifest: Manifest | None = None
) -> np.ndarray:
    """Returns what `answer_images` does, of a `.tflite` file as a device runs it."""
    classifier = Classifier(path, manifest=manifest)
    return np.array([classifier.run(x).argmax() for x in part.images_rgb_u8])


def score(probabilities: np.ndarray, labels: np.ndarray) -> Evaluation:
    """Scores answers.

    Args:
        probabilities: float `[n, classes]`.
        labels: int `[n]`, the true class of each.
    """
    count, classes = probabilities.shape
    # Stable, so that of equal probabilities the first wins, as on the device.
    ranked = np.argsort(-probabilities, axis=1, kind="stable")
    right = ranked[:, 0] == labels
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, ranked[:, 0]), 1)
    return Evaluation(
        images=count,
        top1=float(np.mean(right)),
        top1_interval=wilson_interval(int(np.sum(right)), count),
        top5=float(np.mean(np.any(ranked[:, :5] == labels[:, np.newaxis], axis=1))),
        calibration_error=_calibration_error(probabilities.max(axis=1), right),
        confusion=confusion.tolist(),
    )


def wilson_interval(successes: int, count: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share, which stays within 0 to 1 (Wilson 1927)."""
    share = successes / count
    spread = _Z_95**2 / count
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def _calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    bins = np.minimum(
        (confidence * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1
    )
    error = 0.0
    for number in np.unique(bins):
        inside = bins == number
        gap = abs(float(np.mean(right[inside])) - float(np.mean(confidence[inside])))
        error += gap * float(np.mean(inside))
    return error
