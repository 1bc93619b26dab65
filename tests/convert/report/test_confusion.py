"""What is confused with what, counted by hand."""

import base64

import cv2
import numpy as np
import pytest

from corallite.convert.report.confusion import (
    Pair,
    find_pairs,
    find_weakest,
    rate_classes,
)
from corallite.convert.report.thumbnails import encode_image

NAMES = ("a", "b", "c")
CONFUSION = [[8, 2, 0], [2, 1, 1], [0, 0, 0]]


def test_pairs_are_those_that_are_wrong_the_most_first():
    assert find_pairs(CONFUSION, NAMES) == [
        Pair("b", "a", 2, 0.5),
        Pair("a", "b", 2, 0.2),
        Pair("b", "c", 1, 0.25),
    ]


def test_a_class_without_images_has_no_recall():
    classes = rate_classes(CONFUSION, NAMES)
    assert [x.recall for x in classes] == [0.8, 0.25, None]
    assert [x.precision for x in classes] == [0.8, pytest.approx(1 / 3), 0.0]
    assert [x.name for x in find_weakest(classes)] == ["b", "a"]


@pytest.mark.parametrize(
    ("size_hw", "kind", "expected"),
    [
        ((32, 20), "png", (32, 20)),
        ((96, 96), "png", (96, 96)),
        ((160, 160), "jpeg", (160, 160)),
        ((400, 300), "jpeg", (192, 144)),
    ],
)
def test_a_picture_is_exact_if_small_and_shrunk_if_large(size_hw, kind, expected):
    image = np.full((*size_hw, 3), (200, 100, 50), np.uint8)
    head, content = encode_image(image).split(",")
    assert head == f"data:image/{kind};base64"
    raw = np.frombuffer(base64.b64decode(content), np.uint8)
    shown_bgr = cv2.imdecode(raw, cv2.IMREAD_COLOR)
    assert shown_bgr is not None
    shown = shown_bgr[:, :, ::-1]
    assert shown.shape[:2] == expected
    # JPEG rounds a flat colour by a step or two.
    atol = 0 if kind == "png" else 3
    assert np.abs(shown.astype(int) - image[0, 0]).max() <= atol
