"""Measures files on labelled images, with the code of the device."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from corallite.convert.evaluate.predict_file import predict_timed
from corallite.device.learn.interval import wilson_interval
from corallite.device.model.manifest import ClassesOutput, Manifest
from corallite.train.data.load import Split

_CALIBRATION_BINS = 15
# Enough to look at; the confusion matrix counts them all.
_MOST_MISTAKES = 100


@dataclasses.dataclass(frozen=True)
class Bin:
    """Predictions of about the same confidence.

    Attributes:
        count: Number of predictions.
        confidence: Mean probability of their most probable label.
        accuracy: Fraction of them that is right, 0 to 1.
    """

    count: int
    confidence: float
    accuracy: float


@dataclasses.dataclass(frozen=True)
class Mistake:
    """An image whose most probable label is wrong.

    Attributes:
        row: Index of the image in the split.
        predicted: The most probable label.
        confidence: Its probability.
        true_probability: The probability of the true label.
    """

    row: int
    predicted: int
    confidence: float
    true_probability: float


@dataclasses.dataclass(frozen=True)
class Coverage:
    """The precision if only the most confident predictions are named.

    Attributes:
        named: Fraction of the images that is named, 0 to 1.
        precision: Fraction of these that is right, 0 to 1.
    """

    named: float
    precision: float


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The accuracy and latency of a model on one split of the images.

    Attributes:
        images: Number of images.
        top1: Fraction whose most probable label is right, 0 to 1.
        top1_interval: The 95 % interval of `top1` (Wilson, 1927).
        top5: Fraction whose label is among the five most probable.
        top5_interval: The 95 % interval of `top5`.
        calibration_error: Expected difference between confidence and accuracy, in 15
            bins (Guo et al., 2017, arXiv:1706.04599).
        calibration: Those bins that hold predictions, in rising order of confidence.
        confusion: `confusion[true][predicted]`, counts.
        mistakes: At most 100, those with the highest confidence first.
        coverage: At most 20 points in rising order of `named`.
        refusal: What the model names by the refusal in its manifest; None without one,
            or if it names nothing.
        latency_p50_ms: Median time of one inference on this machine, one thread,
            without preprocessing, of the first 2,000 images; None for a model that no
            device runs.
        latency_p95_ms: The time that 95 % of the inferences stay below.
    """

    images: int
    top1: float
    top1_interval: tuple[float, float]
    top5: float
    top5_interval: tuple[float, float]
    calibration_error: float
    calibration: list[Bin]
    confusion: list[list[int]]
    mistakes: list[Mistake]
    coverage: list[Coverage]
    refusal: Coverage | None = None
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Evaluation":
        """Creates an object from the dict of `dataclasses.asdict`."""
        fields = dict(content)
        for name in ("top1_interval", "top5_interval"):
            fields[name] = tuple(fields[name])
        fields["calibration"] = [Bin(**x) for x in fields["calibration"]]
        fields["mistakes"] = [Mistake(**x) for x in fields["mistakes"]]
        fields["coverage"] = [Coverage(**x) for x in fields["coverage"]]
        fields["refusal"] = fields["refusal"] and Coverage(**fields["refusal"])
        return cls(**fields)


@dataclasses.dataclass(frozen=True)
class StageResult:
    """The measurements of one stage.

    Attributes:
        stage: Its name.
        evaluation: Its evaluation on the requested split.
        sparsity: Zero fraction of the kernels, 0 to 1; None if unknown.
        file: The file that a device can run, relative to the run folder; None for a
            stage without a file of its own.
        file_bytes: Its size.
        gzipped_bytes: Its size when compressed.
        macs: Multiply-accumulates of one inference.
        peak_memory_bytes: Peak of a process that only runs it, including Python and the
            device's libraries; None if unknown.
        machine: Where latency and memory were measured.
    """

    stage: str
    evaluation: Evaluation
    sparsity: float | None
    file: str | None = None
    file_bytes: int | None = None
    gzipped_bytes: int | None = None
    macs: int | None = None
    peak_memory_bytes: int | None = None
    machine: str = ""


def evaluate_file(
    path: Path, split: Split, manifest: Manifest | None = None
) -> Evaluation:
    """Evaluates a file as a device would run it.

    Args:
        path: The file.
        split: The images, of the size that the file takes.
        manifest: Used in place of the file's manifest.

    Raises:
        RequestError: The file cannot be run.
    """
    classifier, found, latencies_ms = predict_timed(path, split, manifest)
    p50_ms, p95_ms = np.percentile(latencies_ms, (50, 95)).round(4).tolist()
    return dataclasses.replace(
        score(found, split.labels),
        refusal=_apply_refusal(classifier.manifest.classes, found, split.labels),
        latency_p50_ms=p50_ms,
        latency_p95_ms=p95_ms,
    )


def score(probabilities: np.ndarray, labels: np.ndarray) -> Evaluation:
    """Scores predictions.

    Args:
        probabilities: float `[n, classes]`.
        labels: int `[n]`, the true class of each.
    """
    count, classes = probabilities.shape
    # Stable, so that of equal probabilities the first wins, as on the device.
    ranked = np.argsort(-probabilities, axis=1, kind="stable")
    predicted = ranked[:, 0]
    right = predicted == labels
    in_top5 = np.any(ranked[:, :5] == labels[:, np.newaxis], axis=1)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    calibration = _fill_bins(probabilities.max(axis=1), right)
    return Evaluation(
        images=count,
        top1=float(np.mean(right)),
        top1_interval=wilson_interval(int(np.sum(right)), count),
        top5=float(np.mean(in_top5)),
        top5_interval=wilson_interval(int(np.sum(in_top5)), count),
        calibration_error=_calibration_error(calibration),
        calibration=calibration,
        confusion=confusion.tolist(),
        mistakes=_find_mistakes(probabilities, predicted, labels),
        coverage=_cover(probabilities.max(axis=1), right),
    )


def _cover(confidence: np.ndarray, right: np.ndarray) -> list[Coverage]:
    """Returns 20 points, or one for each image if there are fewer."""
    order = np.argsort(-confidence, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(right) + 1)
    ends = np.unique(np.ceil(np.linspace(0.05, 1, 20) * len(right)).astype(int))
    return [
        Coverage(round(int(end) / len(right), 6), round(float(precision[end - 1]), 6))
        for end in ends
    ]


def _apply_refusal(
    classes: ClassesOutput, probabilities: np.ndarray, labels: np.ndarray
) -> Coverage | None:
    if classes.refusal is None:
        return None
    is_named = classes.refusal.name_each(probabilities, classes.labels)
    if not is_named.any():
        return None
    right = probabilities.argmax(axis=1) == labels
    return Coverage(float(is_named.mean()), float(right[is_named].mean()))


def _fill_bins(confidence: np.ndarray, right: np.ndarray) -> list[Bin]:
    bins = np.minimum(
        (confidence * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1
    )
    return [
        Bin(
            count=int(np.sum(bins == number)),
            confidence=float(np.mean(confidence[bins == number])),
            accuracy=float(np.mean(right[bins == number])),
        )
        for number in np.unique(bins)
    ]


def _calibration_error(calibration: list[Bin]) -> float:
    count = sum(x.count for x in calibration)
    return sum(x.count / count * abs(x.accuracy - x.confidence) for x in calibration)


def _find_mistakes(
    probabilities: np.ndarray, predicted: np.ndarray, labels: np.ndarray
) -> list[Mistake]:
    """Returns the mistakes of highest confidence; of equal ones, the first row."""
    wrong = np.flatnonzero(predicted != labels)
    confidence = probabilities[wrong, predicted[wrong]]
    surest = wrong[np.argsort(-confidence, kind="stable")][:_MOST_MISTAKES]
    return [
        Mistake(
            row=int(row),
            predicted=int(predicted[row]),
            confidence=round(float(probabilities[row, predicted[row]]), 4),
            true_probability=round(float(probabilities[row, labels[row]]), 4),
        )
        for row in surest
    ]
