"""Models for boxes and classes are judged by the worse of two verdicts."""

from dataclasses import replace

import numpy as np

from corallite.convert.accuracy import gate
from corallite.convert.accuracy.compare_boxes import compare_found
from corallite.convert.accuracy.comparison import Verdict
from corallite.convert.evaluate.boxes.find_in_file import Predicted
from corallite.device.image.preprocess import Preprocessing
from corallite.train.data.boxes.listing import BOTH
from corallite.train.data.boxes.run_boxes import RunBoxes
from corallite.train.data.load import ImageData, Split
from corallite.train.training.detect.average_precision import Found

_IMAGES, _MARKED = 400, 10
_BOX = np.array([[0.2, 0.2, 0.6, 0.6]], np.float32)


def make_data() -> ImageData:
    """Returns images of two classes, of which the first ten have a box."""
    boxes = np.zeros((_IMAGES, 1, 5), np.float32)
    boxes[..., 0] = -1
    boxes[:_MARKED, 0] = [0, *_BOX[0]]
    pixels = np.zeros((_IMAGES, 8, 8, 3), np.uint8)
    labels, paths = np.arange(_IMAGES) % 2, tuple(f"{n}.png" for n in range(_IMAGES))
    split = Split(pixels, labels, paths, boxes=boxes)
    others = replace(split, paths=tuple(f"train/{x}" for x in paths))
    splits = {"train": others, "val": split, "test": split}
    return ImageData(
        *(("cat", "dog"), Preprocessing((8, 8)), "abc", splits),
        boxes=RunBoxes(BOTH, ("face",), {}),
    )


def predict(data: ImageData, wrong: int, missed: int) -> Predicted:
    """Returns predictions with so many wrong classes and missed boxes."""
    labels = data.splits["val"].labels.copy()
    labels[:wrong] = 1 - labels[:wrong]
    nothing = Found(np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 4), np.float32))
    one = Found(np.zeros(1, np.int64), np.full(1, 0.9), _BOX)
    found = [one if missed <= n < _MARKED else nothing for n in range(_IMAGES)]
    return Predicted(found, np.eye(2)[labels])


def test_proven_loss_of_classes_outweighs_unproven_loss_of_boxes() -> None:
    data = make_data()
    chain = [("float", predict(data, 0, 0)), ("int8", predict(data, 16, 1))]

    compared = compare_found(chain, data, "ptq")

    # mAP50 lost 10 points of ten images, which may be chance; top-1 lost 4 points.
    assert compared.overall.measure == "top-1"
    assert compared.verdict is Verdict.FAILED


def test_models_that_find_nothing_are_named_in_the_doubt() -> None:
    data = make_data()
    chain = [("float", predict(data, 0, 10)), ("int8", predict(data, 1, 10))]

    compared = compare_found(chain, data, "ptq")

    # mAP50 counts although top-1 lost more: it was 0 before.
    assert compared.finds_nothing
    assert gate.explain_doubt(compared) == (
        "float and int8 find no box of the 400 validation images, so nothing can be "
        "lost; check the boxes in the report, or train for more epochs."
    )
    found = [("float", predict(data, 0, 0)), ("int8", predict(data, 0, 10))]
    assert not compare_found(found, data, "ptq").finds_nothing


def test_larger_loss_is_returned_of_two_equal_verdicts() -> None:
    data = make_data()
    chain = [("float", predict(data, 0, 0)), ("int8", predict(data, 16, 3))]

    # Both are allowed.
    compared = compare_found(chain, data, "ptq", max_drop=80.0)

    assert compared.overall.measure == "mAP50"
    assert (compared.verdict, compared.max_drop) == (Verdict.PASSED, 80.0)
