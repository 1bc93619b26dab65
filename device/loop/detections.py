"""What a result says of the boxes of a frame, as labels, JSON and text."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from corallite.device.engine.base import Answer, Box, Detection, Probabilities
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import UNKNOWN


def split_answer(answer: Answer) -> tuple[Probabilities, list[Box] | None]:
    """Returns the probabilities of classes, and the boxes; None of a classifier."""
    if isinstance(answer, Detection):
        return answer.probabilities, list(answer.boxes)
    return answer, None


def name_active(boxes: Sequence[Box], label: str, manifest: Manifest) -> list[str]:
    """Returns the labels that apply to a frame, in the order of the manifest.

    Args:
        boxes: Of the frame.
        label: Of the whole frame, which also applies unless it is unknown.
        manifest: The model's.
    """
    found = {label, *(box.label for box in boxes)}
    return [each for each in manifest.all_labels if each in found]


def name_best(boxes: Sequence[Box] | None) -> str:
    """Returns the label of the most probable box, "unknown" without one."""
    return boxes[0].label if boxes else UNKNOWN


def count_labels(boxes: Sequence[Box]) -> dict[str, int]:
    """Returns the number of boxes of each label, the most frequent first."""
    return dict(Counter(box.label for box in boxes).most_common())


def to_text(boxes: Sequence[Box]) -> str:
    """Returns the numbers as text, such as "2 apple, 1 pear"."""
    counts = count_labels(boxes).items()
    # Labels are whatever a folder was called: they have no plural.
    return ", ".join(f"{count} {label}" for label, count in counts) or "nothing"


def box_to_json(box: Box) -> dict[str, Any]:
    """Returns a box as JSON has it; corners to a tenth of a pixel."""
    corners = [round(value, 1) for value in box[2:]]
    return {"label": box.label, "score": round(box.score, 6), "box": corners}
