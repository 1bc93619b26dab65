"""A layer's own error is its own: the broken one is named, not those behind it."""

import numpy as np
import pytest

from corallite.convert.accuracy.layer_error import measure_layers
from corallite.optimize.quantize.add_quantizers import quantize
from corallite.optimize.quantize.strip_quantizers import strip_quantizers
from corallite.train.framework.keras import keras


def make_model():
    """Convolutions with and without ReLU, a concatenation, a sum and a dense layer."""
    keras.utils.set_random_seed(0)
    image = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(8, 3, name="first")(image)
    x = keras.layers.ReLU(6.0, name="first_relu")(x)
    y = keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = keras.layers.ReLU(6.0, name="depthwise_relu")(y)
    x = keras.layers.Concatenate(name="join")([x, y])
    x = keras.layers.Conv2D(8, 1, name="second")(x)
    y = keras.layers.Conv2D(8, 1, name="third")(x)
    x = keras.layers.Add(name="sum")([x, y])
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    x = keras.layers.Dense(3, name="logits")(x)
    model = keras.Model(image, keras.layers.Softmax()(x))
    # Large enough to make use of the range, which is 0 to 6 behind a ReLU6.
    for name in ("first", "depthwise"):
        kernel, bias = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([4 * kernel, bias + 0.5])
    return model


NAMES = {"first", "depthwise", "second", "third", "sum", "mean", "logits"}


@pytest.fixture
def images(draw_clouds):
    return draw_clouds(40, 12, 12)


def break_layer(model, name):
    layer = model.get_layer(name)
    kernel, bias = layer.get_weights()
    kernel = kernel.copy()
    kernel.ravel()[np.argmax(np.abs(kernel))] *= 1000
    layer.set_weights([kernel, bias])


def test_a_sound_model_loses_little_anywhere(images):
    errors = measure_layers(quantize(make_model(), images), images)
    assert {error.layer for error in errors} == NAMES
    own = [error.own_relative_mse for error in errors]
    assert own == sorted(own, reverse=True)
    for error in errors:
        # A step of 255 that is evenly rounded is noise of 1/12 step squared: 40 dB
        # below a signal of a third of the range, and some channels are weaker.
        assert 0 <= error.own_relative_mse < 0.01
        assert 0 <= error.relative_mse < 0.05
        assert 0.99 < error.cosine <= 1 + 1e-6
        assert error.change is None


@pytest.mark.parametrize("name", ["first", "depthwise", "second", "third"])
def test_an_outlier_is_named_and_not_its_successors(images, name):
    model = make_model()
    break_layer(model, name)
    errors = measure_layers(quantize(model, images, granularity="tensor"), images)
    assert errors[0].layer == name
    # All but one of its channels are rounded to nothing.
    assert errors[0].own_relative_mse > 0.3


def test_what_training_changed_is_told_from_rounding(images):
    quantized = quantize(make_model(), images)
    origin = strip_quantizers(quantized)
    for error in measure_layers(quantized, images, origin):
        assert error.change == pytest.approx(0, abs=1e-9)
    wrapper = quantized.get_layer("quant_second")
    (kernel,) = (w for w in wrapper.weights if w.name == "kernel:0")
    changed = kernel.numpy()
    changed[0, 0, 3, 2] *= 1000
    kernel.assign(changed)
    errors = measure_layers(quantized, images, origin)
    most = max(errors, key=lambda error: error.change or 0)
    assert most.layer == "second"
    assert (most.change or 0) > 1


def test_an_origin_of_another_network_is_not_compared(images):
    image = keras.Input((12, 12, 3))
    other = keras.Model(image, keras.layers.Conv2D(3, 1)(image))
    errors = measure_layers(quantize(make_model(), images), images, other)
    assert {error.change for error in errors} == {None}
