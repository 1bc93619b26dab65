"""A Ghost module has half of its channels from a 1x1 convolution."""

import numpy as np
import pytest

from corallite.train.framework.keras import keras
from corallite.train.models.blocks import OURS
from corallite.train.models.networks.ghost_module import ghost_module, with_ghosts


@pytest.mark.parametrize(("filters", "primary", "copies"), [(8, 4, 4), (7, 4, 3)])
def test_the_other_half_are_copies_of_the_first(filters, primary, copies):
    image = keras.Input((6, 6, 5))
    x = ghost_module(image, filters, name="g", conventions=OURS, activation=None)
    model = keras.Model(image, x)
    assert model.get_layer("g_primary").filters == primary
    cheap = model.get_layer("g_cheap_depthwise")
    # Kernels that copy the centre.
    kernel = np.zeros(cheap.get_weights()[0].shape)
    assert kernel.shape == (3, 3, copies, 1)
    kernel[1, 1] = 1
    cheap.set_weights([kernel])
    images = np.random.default_rng(0).random((2, 6, 6, 5), np.float32)
    outputs = model(images).numpy()
    assert outputs.shape == (2, 6, 6, filters)
    # Its batch norm divides by the root of 1 + epsilon.
    expected = outputs[..., :copies] / np.sqrt(1 + OURS.epsilon)
    np.testing.assert_allclose(outputs[..., primary:], expected, atol=1e-6)


def test_only_pointwise_convolutions_before_the_last_are_replaced():
    image = x = keras.Input((6, 6, 3))
    ghosts = with_ghosts(OURS)
    for name, kernel in (("stem", 3), ("middle", 1), ("last", 1)):
        x = ghosts.conv_bn(x, 8, kernel, name=name)
    names = [layer.name for layer in keras.Model(image, x).layers]
    assert {"stem", "middle_primary", "middle_cheap_depthwise", "last"} < set(names)
    assert "middle" not in names
