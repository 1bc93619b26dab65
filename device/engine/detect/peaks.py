"""From a heatmap and boxes of cells to a few boxes, with NumPy only."""

from typing import Any, NamedTuple

import numpy as np

from corallite.device.engine.base import Probabilities

_Indexes = np.ndarray[Any, np.dtype[np.intp]]
# Two boxes of a label that overlap by more are the same object: intersection over
# union, as for mAP50.
_MOST_OVERLAP = 0.5


class Peaks(NamedTuple):
    """Boxes, the most probable first.

    Attributes:
        labels: Number of the label, int `[n]`.
        scores: float32 `[n]`, 0 to 1.
        corners: float32 `[n, 4]`: left, top, right, bottom in pixels of the input.
    """

    labels: _Indexes
    scores: Probabilities
    corners: Probabilities


def find_peaks(
    heatmap: Probabilities,
    boxes: Probabilities,
    *,
    stride: int,
    size_hw: tuple[int, int],
    threshold: float,
    most: int,
) -> Peaks:
    """Finds the cells that are the centre of an object, and their boxes.

    A cell counts for a label if it is at least as probable as the eight around it, and
    as `threshold`. Of boxes of the same label that overlap by more than half (IoU),
    the most probable stays. A box without width or height is none.

    Args:
        heatmap: float32 `[rows, columns, labels]`; see `BoxesOutput`.
        boxes: float32 `[rows, columns, 4]`; see `BoxesOutput`.
        stride: Height and width of a cell in pixels of the input.
        size_hw: Height and width of the input.
        threshold: The least probability, 0 to 1.
        most: The largest number of boxes.
    """
    rows, columns, labels = np.nonzero(
        (heatmap >= np.float32(threshold)) & (heatmap == _highest_around(heatmap))
    )
    scores = heatmap[rows, columns, labels]
    order = np.argsort(-scores, kind="stable")
    order = order[boxes[rows[order], columns[order], 2:].min(axis=1) > 0]
    rows, columns, labels = rows[order], columns[order], labels[order]
    corners = _to_corners(boxes[rows, columns], rows, columns, stride, size_hw)
    kept = _without_duplicates(corners, labels, most)
    return Peaks(labels[kept], scores[order][kept], corners[kept])


def _highest_around(heatmap: Probabilities) -> Probabilities:
    """Returns the highest of the 3x3 cells around each cell."""
    padded = np.pad(heatmap, ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    across = np.maximum(np.maximum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    return np.maximum(np.maximum(across[:-2], across[1:-1]), across[2:])


def _to_corners(
    boxes: Probabilities,
    rows: _Indexes,
    columns: _Indexes,
    stride: int,
    size_hw: tuple[int, int],
) -> Probabilities:
    height, width = size_hw
    centre_xy = (np.stack([columns, rows], 1) + boxes[:, :2]) * stride
    half_xy = boxes[:, 2:] * (np.array([width, height]) / 2)
    return np.hstack([centre_xy - half_xy, centre_xy + half_xy]).astype(np.float32)


def _without_duplicates(
    corners: Probabilities, labels: _Indexes, most: int
) -> list[int]:
    """Returns the numbers of the boxes that stay, at most `most`."""
    kept: list[int] = []
    is_open = np.ones(len(corners), bool)
    for number in range(len(corners)):
        if len(kept) == most:
            break
        if is_open[number]:
            kept.append(number)
            rest = slice(number + 1, None)
            overlap = _overlap(corners[number], corners[rest])
            is_same = (overlap > _MOST_OVERLAP) & (labels[rest] == labels[number])
            is_open[rest] &= ~is_same
    return kept


def _overlap(box: Probabilities, others: Probabilities) -> Probabilities:
    """Returns intersection over union of a box `[4]` with others `[n, 4]`."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = np.prod(box[2:] - box[:2]) + areas - common
    return common / np.maximum(union, np.finfo(np.float32).tiny)
