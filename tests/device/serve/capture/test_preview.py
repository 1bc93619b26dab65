"""Photos, made smaller for the page."""

import cv2
import numpy as np
import pytest

from corallite.device.image.preprocess import decode_image
from corallite.device.serve.capture.preview import make_preview
from corallite.device.system.errors import RequestError


@pytest.mark.parametrize(
    ("size_hw", "expected"),
    [((1080, 1920), (108, 192)), ((600, 300), (192, 96)), ((48, 64), (48, 64))],
)
def test_preview_has_at_most_that_side(jpeg, size_hw, expected):
    preview = make_preview(jpeg((200, 30, 10), size_hw), 192)
    image = decode_image(preview, "x")
    assert image.shape[:2] == expected
    assert np.abs(image.astype(int) - (200, 30, 10)).max() < 8


def test_any_format_becomes_jpeg():
    png = cv2.imencode(".png", np.zeros((500, 400, 3), np.uint8))[1].tobytes()
    assert make_preview(png, 192).startswith(b"\xff\xd8")


def test_damaged_photo_is_refused(jpeg):
    with pytest.raises(RequestError, match="The photo: is truncated"):
        make_preview(jpeg()[:100], 192)
