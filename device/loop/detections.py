"""What a result says of the boxes of a frame, as labels, JSON and text."""

from collections.abc import Sequence
from typing import Any

from corallite.device.engine.base import Answer, Box, Detection, Probabilities
from corallite.device.engine.classifier import Prediction
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import UNKNOWN


def split_answer(answer: Answer) -> tuple[Probabilities, list[Box] | None]:
    """Returns the probabilities of classes, and the boxes; None of a classifier."""
    if isinstance(answer, Detection):
        return answer.probabilities, list(answer.boxes)
    return answer, None


def rank_labels(boxes: Sequence[Box], top_k: int) -> tuple[list[Prediction], str]:
    """Returns the best score of each label, and the label of the best box.

    The most probable label is first; at most `top_k`. Without boxes, the second is
    "unknown".

    Args:
        boxes: The most probable first.
        top_k: At least 1.
    """
    best: dict[str, float] = {}
    for box in boxes:
        best.setdefault(box.label, box.score)
    top = [Prediction(*item) for item in best.items()][:top_k]
    return top, top[0].label if top else UNKNOWN


def name_active(boxes: Sequence[Box], label: str, manifest: Manifest) -> list[str]:
    """Returns the labels that apply to a frame, in the order of the manifest.

    Args:
        boxes: Of the frame.
        label: Of the whole frame, which also applies unless it is unknown.
        manifest: The model's.
    """
    found = {label, *(box.label for box in boxes)} - {UNKNOWN}
    return [each for each in manifest.all_labels if each in found]


def count_labels(boxes: Sequence[Box]) -> dict[str, int]:
    """Returns the number of boxes by label, the most frequent first."""
    counts: dict[str, int] = {}
    for box in boxes:
        counts[box.label] = counts.get(box.label, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def box_to_json(box: Box) -> dict[str, Any]:
    """Returns a box as JSON has it; corners to a tenth of a pixel."""
    corners = [round(value, 1) for value in box[2:]]
    return {"label": box.label, "score": round(box.score, 6), "box": corners}
