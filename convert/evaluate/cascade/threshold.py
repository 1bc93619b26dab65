"""Fits when the second of two models is asked, on labelled images.

A threshold is judged by the accuracy of the whole cascade, not by the calibration of
its first model: better calibrated models may be a worse cascade (arXiv:2104.09286).
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corallite.convert.evaluate.predict_file import predict_timed
from corallite.device.model.cascade.fitted import Cascade
from corallite.device.model.manifest import Manifest
from corallite.train.data.load import Split

Array = np.ndarray[Any, np.dtype[Any]]


class Point(NamedTuple):
    """A cascade with one threshold.

    Attributes:
        threshold: The least probability at which the second model is not asked.
        share: The share of images for which it is asked, 0 to 1.
        top1: Accuracy of the cascade, 0 to 1.
        mean_ms: Mean time of an inference of the cascade.
    """

    threshold: float
    share: float
    top1: float
    mean_ms: float


class PairPredictions(NamedTuple):
    """What two models predict on the same images.

    Attributes:
        first: float32 `[n, classes]`.
        second: The same, of the second model.
        labels: int `[n]`, the true classes.
        first_ms: Median time of one inference of the first model.
        second_ms: That of the second.
    """

    first: Array
    second: Array
    labels: Array
    first_ms: float
    second_ms: float

    def top1(self) -> tuple[float, float]:
        """Returns the accuracy of each model alone, 0 to 1."""
        first, second = (x.argmax(1) == self.labels for x in (self.first, self.second))
        return float(first.mean()), float(second.mean())

    def list_points(self) -> list[Point]:
        """Returns a point for each distinct confidence, in falling order of threshold.

        The last one has the threshold 0: the second model is never asked.
        """
        confidence, count = self.first.max(1).astype(np.float32), len(self.labels)
        order = np.argsort(-confidence, kind="stable")
        confidence = confidence[order]
        first_right, second_right = (
            (x.argmax(1) == self.labels)[order] for x in (self.first, self.second)
        )
        right = np.cumsum(first_right) + second_right.sum() - np.cumsum(second_right)
        # Images of equal confidence are treated alike.
        ends = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))
        thresholds = [*confidence[ends[:-1]].tolist(), 0.0]
        return [
            self._make_point(threshold, 1 - (end + 1) / count, right[end] / count)
            for threshold, end in zip(thresholds, ends, strict=True)
        ]

    def apply(self, threshold: float) -> Point:
        """Returns the point of a threshold that was fitted to other images."""
        asks = self.first.max(1).astype(np.float32) < np.float32(threshold)
        predicted = np.where(asks, self.second.argmax(1), self.first.argmax(1))
        right = float((predicted == self.labels).mean())
        return self._make_point(threshold, float(asks.mean()), right)

    def _make_point(self, threshold: float, share: float, top1: float) -> Point:
        mean_ms = self.first_ms + share * self.second_ms
        return Point(threshold, round(share, 6), round(float(top1), 6), mean_ms)


def predict_pair(
    first: tuple[Path, Manifest], second: tuple[Path, Manifest], split: Split
) -> PairPredictions:
    """Runs two files on a split, each with its manifest.

    Raises:
        RequestError: A file cannot be run.
    """
    (_, of_first, first_ms), (_, of_second, second_ms) = (
        predict_timed(path, split, manifest) for path, manifest in (first, second)
    )
    labels, times = np.asarray(split.labels), (first_ms, second_ms)
    return PairPredictions(of_first, of_second, labels, *map(_median, times))


def choose_point(pair: PairPredictions, max_drop: float) -> Point | None:
    """Returns the fastest cascade that is accurate enough.

    Args:
        pair: Predictions on the validation images.
        max_drop: Percentage points that its top-1 may be below that of the second.

    Returns:
        None if every cascade that is accurate enough takes at least as long as the
        second model alone.
    """
    least = pair.top1()[1] - max_drop / 100
    # Accuracies are rounded to a millionth.
    good = [x for x in pair.list_points() if x.top1 >= least - 1e-6]
    fastest = min(good, key=lambda x: x.share, default=None)
    is_faster = fastest is not None and fastest.mean_ms < pair.second_ms
    return fastest if is_faster else None


def describe_point(
    point: Point, pair: PairPredictions, second: str, second_hash: str
) -> Cascade:
    """Returns a fitted cascade for the manifest of the first model.

    Args:
        point: What `choose_point` returned.
        pair: The predictions that it was chosen by.
        second: The name of the second model.
        second_hash: The hash of its files.
    """
    return Cascade(
        threshold=point.threshold,
        second=second,
        second_hash=second_hash,
        accuracy=round(point.top1, 4),
        second_accuracy=round(pair.top1()[1], 4),
        share=round(point.share, 4),
        photos=len(pair.labels),
    )


def _median(milliseconds: list[float]) -> float:
    return round(float(np.median(milliseconds)), 4)
