"""What a result says of the boxes of a frame, as labels, JSON and text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from corallite.device.camera.frame import Frame
from corallite.device.engine.base import Answer, Box, Detection, Probabilities
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import UNKNOWN


def split_answer(answer: Answer) -> tuple[Probabilities, list[Box] | None]:
    """Returns the probabilities of classes, and the boxes; None of a classifier."""
    if isinstance(answer, Detection):
        return answer.probabilities, list(answer.boxes)
    return answer, None


def describe_boxes(
    boxes: list[Box], label: str, frame: Frame, manifest: Manifest
) -> dict[str, Any]:
    """Returns fields of a `Result` for the frame in which the boxes are.

    Args:
        boxes: The most probable first.
        label: Of the whole frame, if the model classifies, too.
        frame: The frame.
        manifest: The model's.
    """
    label = label if manifest.classes.labels else name_best(boxes)
    found = {label, *(box.label for box in boxes)}
    active = [each for each in manifest.all_labels if each in found]
    height, width = frame.image_rgb_u8.shape[:2]
    size = width, height
    return {"label": label, "active": active, "size": size, "boxes": boxes}


def pick_for_json(fields: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields of a `Result`, changed: without those that it lacks."""
    for name in ("size", "boxes", "counts", "answered_by", "policy"):
        if fields.get(name) is None:
            fields.pop(name, None)
    if "boxes" in fields:
        fields["boxes"] = [box_to_json(box) for box in fields["boxes"]]
    return fields


def name_best(boxes: Sequence[Box] | None) -> str:
    """Returns the label of the most probable box, "unknown" without one."""
    return boxes[0].label if boxes else UNKNOWN


def count_labels(boxes: Sequence[Box]) -> dict[str, int]:
    """Returns the number of boxes of each label, the most frequent first."""
    return dict(Counter(box.label for box in boxes).most_common())


def to_text(
    boxes: Sequence[Box], counts: Mapping[str, Mapping[str, int]] | None = None
) -> str:
    """Returns the numbers as text, such as "2 apple, 1 pear".

    Args:
        boxes: Of a frame.
        counts: Shown first: `Result.counts`.
    """
    found = count_labels(boxes).items()
    # Labels are whatever a folder was called: they have no plural.
    text = ", ".join(f"{count} {label}" for label, count in found) or "nothing"
    for label, kinds in reversed(list((counts or {}).items())):
        numbers = (f"{n} {kind.replace('_', ' ')}" for kind, n in kinds.items())
        text = f"{label}: {', '.join(numbers)}; {text}"
    return text


def box_to_json(box: Box) -> dict[str, Any]:
    """Returns a box as JSON has it; corners to a tenth of a pixel."""
    corners = [round(value, 1) for value in box[2:]]
    return {"label": box.label, "score": round(box.score, 6), "box": corners}
