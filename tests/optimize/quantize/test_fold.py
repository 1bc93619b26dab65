"""Folding batch norms changes no answer."""

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.optimize.quantize.fold import fold_batch_norms
from corallite.train.framework.keras import keras


def logits_of(model, images):
    """Returns what softmax gets: near 0.25 probabilities would hide a difference."""
    return keras.Model(model.input, model.get_layer("logits").output)(images).numpy()


@pytest.mark.parametrize("name", ["shufflenet_v2", "mobilenet_v2"])
def test_folded_network_answers_as_before(networks, square_images, name):
    model = networks[name]
    before = [weight.copy() for weight in model.get_weights()]
    folded = fold_batch_norms(model)
    kinds = {type(layer) for layer in folded.layers}
    assert keras.layers.BatchNormalization not in kinds
    # What float32 rounds off in 50 layers, a fiftieth of what one step of int8 is here.
    expected = logits_of(model, square_images)
    assert np.ptp(expected) > 4
    np.testing.assert_allclose(logits_of(folded, square_images), expected, atol=1e-3)
    for weight, former in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, former)


def test_zeros_stay_zeros_and_only_they():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="conv")(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = keras.layers.BatchNormalization()(x)
    model = keras.Model(image, x)
    zeros = {}
    for name in ("conv", "depthwise"):
        layer = model.get_layer(name)
        kernel, *rest = layer.get_weights()
        zeros[name] = np.random.default_rng(0).random(kernel.shape) < 0.5
        layer.set_weights([np.where(zeros[name], 0, kernel), *rest])
    folded = fold_batch_norms(model)
    for name, expected in zeros.items():
        kernel, _ = folded.get_layer(name).get_weights()
        np.testing.assert_array_equal(kernel == 0, expected)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_a_bias_and_missing_gamma_and_beta_are_understood(multiplier):
    image = keras.Input((8, 8, 3))
    x = keras.layers.DepthwiseConv2D(3, depth_multiplier=multiplier)(image)
    norm = keras.layers.BatchNormalization(scale=False, center=False)
    model = keras.Model(image, norm(x))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    images = rng.random((2, 8, 8, 3), np.float32)
    folded = fold_batch_norms(model)(images).numpy()
    # Sums of 9 products, each rounded to 1e-7, of up to 10.
    np.testing.assert_allclose(folded, model(images).numpy(), atol=1e-5)


def test_a_batch_norm_behind_another_layer_is_refused():
    image = keras.Input((8, 8, 3))
    x = keras.layers.ReLU(name="relu")(image)
    model = keras.Model(image, keras.layers.BatchNormalization(name="norm")(x))
    with pytest.raises(RequestError, match="'norm' is a batch norm.* got 'relu'"):
        fold_batch_norms(model)


def test_a_batch_norm_behind_an_activation_is_refused():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    model = keras.Model(image, keras.layers.BatchNormalization(name="norm")(x))
    with pytest.raises(RequestError, match="without activation, got 'conv'"):
        fold_batch_norms(model)


def test_a_convolution_that_others_read_too_is_refused():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    normed = keras.layers.BatchNormalization(name="norm")(x)
    model = keras.Model(image, keras.layers.Add()([x, normed]))
    with pytest.raises(RequestError, match="the only reader"):
        fold_batch_norms(model)
