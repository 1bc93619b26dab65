"""mAP50: how many of the boxes are found, and how many of those found are right."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from corallite.train.runs.found import MOST_BOXES

# Fractions of the image become pixels, as COCO's evaluation wants them.
_SIDE = 1000.0


class Found(NamedTuple):
    """The boxes that a model finds in an image.

    Attributes:
        labels: Number of each label, int `[n]`.
        scores: float `[n]`, 0 to 1.
        corners: float `[n, 4]`: left, top, right, bottom as fractions of the image.
    """

    labels: np.ndarray
    scores: np.ndarray
    corners: np.ndarray


def average_precision(
    found: Sequence[Found], boxes: np.ndarray, num_labels: int
) -> np.ndarray:
    """Returns the average precision of each label at an overlap (IoU) of one half.

    Computed by faster-coco-eval, as COCO defines it (101 recalls, at most 100 boxes an
    image).

    Args:
        found: What a model finds in each image.
        boxes: What is there, float32 `[images, most, 5]` as of `RunBoxes.to_array`.
        num_labels: Labels of boxes.

    Returns:
        float `[labels]`, 0 to 1; NaN for a label that no image has.
    """
    truth = _to_coco(boxes, num_labels)
    results = [
        {
            "image_id": number + 1,
            "category_id": int(label) + 1,
            "bbox": _to_xywh(corners),
            "score": float(score),
        }
        for number, image in enumerate(found)
        for label, score, corners in zip(*image, strict=True)
    ]
    if not results:
        is_there = [(boxes[..., 0] == label).any() for label in range(num_labels)]
        return np.where(is_there, 0.0, np.nan)
    known = COCO(truth, print_function=_ignore)
    evaluation = COCOeval_faster(
        known, known.loadRes(results), "bbox", print_function=_ignore
    )
    evaluation.params.iouThrs = np.array([0.5])
    evaluation.params.maxDets = [MOST_BOXES]
    evaluation.params.areaRng = evaluation.params.areaRng[:1]
    evaluation.params.areaRngLbl = evaluation.params.areaRngLbl[:1]
    evaluation.evaluate()
    evaluation.accumulate()
    # [overlaps, recalls, labels, areas, most]; -1 where there is no box.
    precision = np.asarray(evaluation.eval["precision"])[0, :, :, 0, 0]
    return np.where((precision >= 0).all(axis=0), precision.mean(axis=0), np.nan)


def mean_average_precision(
    found: Sequence[Found], boxes: np.ndarray, num_labels: int
) -> float:
    """Returns mAP50, 0 to 1: the mean of `average_precision` over the labels."""
    each = average_precision(found, boxes, num_labels)
    return float(np.nanmean(each)) if np.isfinite(each).any() else 0.0


def _ignore(*messages: Any) -> None:
    """Takes the place of a log."""


def _to_coco(boxes: np.ndarray, num_labels: int) -> dict[str, Any]:
    annotations = [
        {
            "id": 0,
            "image_id": number + 1,
            "category_id": int(box[0]) + 1,
            "bbox": _to_xywh(box[1:]),
            "area": float(np.prod(_to_xywh(box[1:])[2:])),
            "iscrowd": 0,
        }
        for number, image in enumerate(boxes)
        for box in image
        if box[0] >= 0
    ]
    for number, annotation in enumerate(annotations, 1):
        annotation["id"] = number
    return {
        "images": [{"id": number + 1} for number in range(len(boxes))],
        "annotations": annotations,
        "categories": [{"id": x + 1, "name": str(x)} for x in range(num_labels)],
    }


def _to_xywh(corners: np.ndarray) -> list[float]:
    left, top, right, bottom = (float(x) * _SIDE for x in corners)
    return [left, top, right - left, bottom - top]
