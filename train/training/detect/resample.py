"""Intervals of mAP50 by the bootstrap: images are drawn with replacement.

500 times, as many images are drawn as there are; the interval has 95 % of the results.
"""

from collections.abc import Sequence

import numpy as np

from corallite.train.training.detect.average_precision import Found
from corallite.train.training.detect.operating_point import match

_RESAMPLES = 500
_RECALLS = np.linspace(0, 1, 101)
Interval = tuple[float, float]


def resample_map50(
    found: Sequence[Found], boxes: np.ndarray, num_labels: int
) -> Interval:
    """Returns the 95 % interval of mAP50, 0 to 1.

    Arguments are those of `resample_difference`.
    """
    return _interval(_resample(found, boxes, num_labels, _draw(len(boxes))))


def resample_difference(
    before: Sequence[Found],
    after: Sequence[Found],
    boxes: np.ndarray,
    num_labels: int,
) -> Interval:
    """Returns the 95 % interval of the difference of mAP50 of two models.

    The same images are drawn for both.

    Args:
        before: What the first model finds in each image.
        after: What the second one finds.
        boxes: What is there, float32 `[images, most, 5]` as of `RunBoxes.to_array`.
        num_labels: Labels of boxes.
    """
    times = _draw(len(boxes))
    first, second = (_resample(x, boxes, num_labels, times) for x in (before, after))
    return _interval(second - first)


def _draw(count: int) -> np.ndarray:
    """Returns how often each image is drawn, int `[resamples, images]`."""
    drawn = np.random.default_rng(0).integers(count, size=(_RESAMPLES, count))
    return np.stack([np.bincount(row, minlength=count) for row in drawn])


def _interval(values: np.ndarray) -> Interval:
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


def _resample(
    found: Sequence[Found], boxes: np.ndarray, num_labels: int, times: np.ndarray
) -> np.ndarray:
    """Returns mAP50, float `[resamples]`, with each image so many times."""
    images = np.repeat(np.arange(len(found)), [len(x.scores) for x in found])
    labels = np.concatenate([x.labels for x in found])
    scores = np.concatenate([x.scores for x in found])
    is_right = np.concatenate([match(*x) for x in zip(found, boxes, strict=True)])
    each = []
    for label in range(num_labels):
        chosen = np.flatnonzero(labels == label)
        chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
        totals = times @ (boxes[..., 0] == label).sum(axis=1)
        each.append(_average(is_right[chosen], times, images[chosen], totals))
    return np.nanmean(each, axis=0)


def _average(
    is_right: np.ndarray, times: np.ndarray, images: np.ndarray, totals: np.ndarray
) -> np.ndarray:
    """Returns the average precision of boxes in falling order of their scores.

    Args:
        is_right: Of each box.
        times: How often each image is drawn, int `[resamples, images]`.
        images: The image of each box.
        totals: Boxes that are there, in each resample.
    """
    averages = np.full(len(times), np.nan)
    for number, (drawn, total) in enumerate(zip(times, totals, strict=True)):
        if not total:
            continue
        # One row at a time: 500 rows of a million boxes would take 4 GB.
        weights = drawn[images]
        right, all_ = np.cumsum(weights * is_right), np.cumsum(weights)
        precision = right / np.maximum(all_, 1)
        # Precision at a recall is the best at this recall or a higher one.
        best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
        averages[number] = best[np.searchsorted(right / total, _RECALLS)].mean()
    return averages
