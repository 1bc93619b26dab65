"""Where pixels of an image are in a model's input, and back."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from corallite.device.image.preprocess import FITS, Preprocessing, fit_image
from corallite.device.image.spec import Area

SIZES = st.tuples(st.integers(40, 200), st.integers(40, 200))
INPUTS = st.tuples(st.integers(24, 96), st.integers(24, 96))


def measure(brightness):
    """Returns the edges of a bright area: left, top, right, bottom, in pixels.

    A pixel of which half is bright counts half. At least one must be bright wholly.
    """
    edges = []
    for axis in (0, 1):
        profile = brightness.max(axis).astype(float) / 255
        first = np.argmax(profile > 0.02)
        low = first + 1 - profile[first] if profile[first] < 1 else first
        edges.append((low, low + profile.sum()))
    (left, right), (top, bottom) = edges
    return left, top, right, bottom


@settings(max_examples=150)
@given(
    fit=st.sampled_from(FITS),
    image_hw=SIZES,
    input_hw=INPUTS,
    corners=st.tuples(*[st.floats(0.3, 0.45)] * 2, *[st.floats(0.55, 0.7)] * 2),
)
def test_a_rectangle_is_where_the_placement_says(fit, image_hw, input_hw, corners):
    """Drawn into the image, it is found in the input, to half a pixel of that."""
    preprocessing = Preprocessing(input_hw, fit)
    placement = preprocessing.place(image_hw)
    # Inside of what every crop keeps.
    area = placement.in_image
    left, right = (round(area.left + area.width * x) for x in corners[::2])
    top, bottom = (round(area.top + area.height * y) for y in corners[1::2])
    expected = placement.to_input(left, top, right, bottom)
    # Two pixels of either image contain a whole one of the input, wherever they are.
    assume(min(right - left, bottom - top) >= 2)
    assume(min(expected[2] - expected[0], expected[3] - expected[1]) >= 2)
    image = np.zeros((*image_hw, 3), np.uint8)
    image[top:bottom, left:right] = 255
    found = measure(fit_image(image, preprocessing)[..., 0])
    # Enlarged pixels are blurred over the edge, evenly to both sides.
    scale = max(1, *np.divide(input_hw, (area.height, area.width)))
    assert np.allclose(found, expected, atol=0.5 * scale)


@given(
    fit=st.sampled_from(FITS),
    image_hw=SIZES,
    input_hw=INPUTS,
    shares=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_a_box_of_the_image_comes_back(fit, image_hw, input_hw, shares):
    placement = Preprocessing(input_hw, fit).place(image_hw)
    box = tuple(np.multiply(shares, (*image_hw[::-1], *image_hw[::-1])))
    back = placement.to_image(*placement.to_input(*box))
    assert back == pytest.approx(box, abs=1e-6)


def test_what_is_beyond_the_image_ends_at_its_border():
    padded = Preprocessing((64, 64), "pad").place((32, 64))
    assert padded.in_input == Area(16, 0, 32, 64)
    assert padded.to_image(-5, 0, 70, 20) == (0, 0, 64, 4)
    # All of it is in a black bar.
    assert padded.to_image(10, 0, 20, 10)[1::2] == (0, 0)
    # A crop does not end a box: what is cut off may still belong to the object.
    cropped = Preprocessing((32, 32), "crop").place((32, 64))
    assert cropped.to_image(-8, 0, 16, 32) == (8, 0, 32, 32)
