"""Which boxes that a model finds are right, and from which score on they are worth it.

A found box is right if it overlaps (IoU) by at least half with a box of its label that
no box with a higher score has taken.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from corallite.train.training.detect.average_precision import Found

_LEAST_OVERLAP = 0.5
# Where no box is right: that of the manifest.
_USUAL = 0.3


class OperatingPoint(NamedTuple):
    """What a model finds from a threshold on.

    Attributes:
        threshold: The least score.
        precision: Fraction of the found boxes that are right.
        recall: Fraction of all boxes that are found.
    """

    threshold: float
    precision: float
    recall: float


def choose_point(found: Sequence[Found], boxes: np.ndarray) -> OperatingPoint:
    """Returns the point with the best F1, between two scores.

    Args:
        found: What a model finds in each image.
        boxes: What is there, float32 `[images, most, 5]` as of `RunBoxes.to_array`.
    """
    scores = np.concatenate([image.scores for image in found] or [np.zeros(0)])
    matched = [match(*pair) for pair in zip(found, boxes, strict=True)]
    is_right = np.concatenate([*matched, np.zeros(0, bool)])
    total = int(np.sum(boxes[..., 0] >= 0))
    if not is_right.any():
        return OperatingPoint(_USUAL, 0.0, 0.0)
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], np.cumsum(is_right[order])
    count = np.arange(1, len(scores) + 1)
    # Boxes of the same score are all found or none.
    is_last = np.append(scores[1:] < scores[:-1], True)
    f1 = np.where(is_last, 2 * right / (count + total), 0.0)
    best = int(f1.argmax())
    lower = scores[best + 1] if best + 1 < len(scores) else 0.0
    return OperatingPoint(
        round(float(scores[best] + lower) / 2, 4),
        float(right[best] / count[best]),
        float(right[best] / total),
    )


def match(found: Found, boxes: np.ndarray) -> np.ndarray:
    """Returns which boxes of an image are right, bool `[n]`.

    Args:
        found: What a model finds in it.
        boxes: What is there, float32 `[most, 5]`; -1 as label where there is none.
    """
    is_right = np.zeros(len(found.scores), bool)
    is_free = boxes[:, 0] >= 0
    for number in np.argsort(-found.scores, kind="stable"):
        overlap = _overlap(found.corners[number], boxes[:, 1:])
        overlap[~is_free | (boxes[:, 0] != found.labels[number])] = 0.0
        best = int(overlap.argmax())
        if overlap[best] >= _LEAST_OVERLAP:
            is_right[number], is_free[best] = True, False
    return is_right


def _overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.maximum(high - low, 0.0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = np.prod(box[2:] - box[:2]) + areas - common
    return common / np.maximum(union, 1e-12)
