"""Pixels that are added to the sides of an image."""

import numpy as np

from corallite.optimize.keras_graph.borders import ColourBorder, ZeroBorder


def test_a_zero_border_has_its_shape_after_loading():
    border = ZeroBorder((1, 0), (2, 3), name="border")
    images = np.ones((2, 4, 5, 3), np.float32)
    bordered = ZeroBorder.from_config(border.get_config())(images).numpy()
    assert bordered.shape == border.compute_output_shape(images.shape) == (2, 5, 10, 3)
    np.testing.assert_array_equal(bordered[:, 1:, 2:7], images)
    assert bordered.sum() == images.sum()


def test_a_colour_border_has_its_colour_after_loading():
    border = ColourBorder((1, 0), (0, 2), (0.2, 0.4, 1.0), name="border")
    images = np.random.default_rng(0).random((2, 4, 5, 3), np.float32)
    bordered = ColourBorder.from_config(border.get_config())(images).numpy()
    assert bordered.shape == (2, 5, 7, 3)
    np.testing.assert_array_equal(bordered[:, 1:, :5], images)
    # 51, 102 and 255 of 255: the float is exact but for its last digits.
    for part in (bordered[:, 0], bordered[:, :, 5:].reshape(2, -1, 3)):
        np.testing.assert_allclose(
            part, np.broadcast_to((0.2, 0.4, 1.0), part.shape), atol=1e-6
        )
