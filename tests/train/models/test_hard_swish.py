"""Hard-swish is the published function."""

import numpy as np

from corallite.train.models.hard_swish import HardSwish


def test_it_is_the_published_function():
    x = np.array([[-5, -3, -1.5, 0, 1.5, 3, 5]], np.float32)
    layer = HardSwish()
    # x * ReLU6(x + 3) / 6, by hand.
    expected = [[0, 0, -1.5 * 1.5 / 6, 0, 1.5 * 4.5 / 6, 3, 5]]
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)
    assert layer.compute_output_shape((None, 7)) == (None, 7)
    np.testing.assert_array_equal(
        HardSwish.from_config(layer.get_config())(x), layer(x)
    )
