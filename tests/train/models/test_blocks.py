"""Layers that networks share."""

import numpy as np

from corallite.train.framework.keras import keras
from corallite.train.models import blocks


def test_squeeze_and_excite_is_the_published_function():
    rng = np.random.default_rng(0)
    image = keras.Input((4, 5, 6))
    plain = blocks.Conventions(relu_limit=None)
    x = blocks.squeeze_excite(image, 3, name="se", conventions=plain)
    model = keras.Model(image, x)
    weights = {}
    for name in ("se_squeeze", "se_excite"):
        layer = model.get_layer(name)
        weights[name] = [rng.normal(0, 3, w.shape) for w in layer.get_weights()]
        layer.set_weights(weights[name])
    images = rng.normal(0, 1, (2, 4, 5, 6)).astype(np.float32)
    means = images.mean(axis=(1, 2))
    (first, bias), (second, other_bias) = weights.values()
    inner = np.maximum(means @ first[0, 0] + bias, 0)
    gates = np.clip(inner @ second[0, 0] + other_bias + 3, 0, 6) / 6
    # Some are clipped, some not.
    assert 0 < np.mean((gates > 0) & (gates < 1)) < 1
    expected = images * gates[:, np.newaxis, np.newaxis]
    np.testing.assert_allclose(model(images), expected, atol=1e-5)


def test_an_activation_is_named_by_its_kind():
    image = keras.Input((4, 4, 3))
    x = blocks.OURS.conv_bn(image, 4, 1, activation=blocks.HARD_SWISH, name="a")
    x = blocks.OURS.depthwise_bn(x, name="b")
    x = blocks.OURS.conv_bn(x, 4, 1, activation=None, name="c")
    model = keras.Model(image, x)
    names = [layer.name for layer in model.layers][1:]
    assert names == [*("a", "a_bn", "a_swish", "b", "b_bn", "b_relu"), "c", "c_bn"]
