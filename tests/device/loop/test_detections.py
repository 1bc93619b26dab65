"""What a result says of boxes: labels, JSON and text."""

import numpy as np
from fixtures.tiny_detector import describe

from corallite.device.camera.frame import Frame
from corallite.device.engine.base import Box, Detection
from corallite.device.loop import detections

BOXES = [
    Box("pear", 0.9, 1, 2, 3, 4),
    Box("apple", 0.8, 5, 6.04, 7.06, 8),
    Box("apple", 0.7, 0, 0, 1, 1),
]
FRAME = Frame(0, 0.0, np.zeros((30, 40, 3), np.uint8), "x", 0.0)
NOTHING = np.zeros(0, np.float32)


def test_labels_are_counted_the_most_frequent_first():
    assert detections.to_text(BOXES) == "2 apple, 1 pear"
    assert detections.to_text([]) == "nothing"
    counts = {"apple_pie": {"inside": 1, "to_left": 2}}
    assert detections.to_text([], counts) == "apple_pie: 1 inside, 2 to left; nothing"


def test_the_best_box_gives_the_label_of_a_frame():
    manifest = describe(("apple", "pear"))
    fields = detections.describe_boxes(BOXES, "unknown", FRAME, manifest)
    assert (fields["label"], fields["size"]) == ("pear", (40, 30))
    # In the order of the manifest, whichever box is the best.
    assert fields["active"] == ["apple", "pear"]
    nothing = detections.describe_boxes([], "unknown", FRAME, manifest)
    assert (nothing["label"], nothing["active"]) == ("unknown", [])


def test_a_model_with_classes_keeps_its_label():
    manifest = describe(("apple", "pear"), classes=("shop", "unknown places"))
    fields = detections.describe_boxes(BOXES[:1], "shop", FRAME, manifest)
    assert (fields["label"], fields["active"]) == ("shop", ["shop", "pear"])
    fields = detections.describe_boxes(BOXES[:1], "unknown", FRAME, manifest)
    assert fields["active"] == ["pear"]


def test_probabilities_and_boxes_are_told_apart():
    answer = Detection(tuple(BOXES), np.zeros((1, 1, 2), np.float32), NOTHING)
    assert detections.split_answer(answer) == (NOTHING, BOXES)
    assert detections.split_answer(NOTHING) == (NOTHING, None)


def test_json_has_rounded_boxes():
    assert detections.box_to_json(BOXES[1]) == {
        "label": "apple",
        "score": 0.8,
        "box": [5, 6.0, 7.1, 8],
    }
    fields = {"frame": 1, "active": None, "boxes": None, "size": None, "counts": None}
    assert detections.pick_for_json(fields) == {"frame": 1, "active": None}
