"""A quantization-aware model answers as its float one, and keeps its zeros."""

import numpy as np
import pytest

from corallite.device.errors import RequestError
from corallite.optimize.load import load_model
from corallite.optimize.quantize import is_quantized, quantize
from corallite.optimize.quantizers import FixedRange
from corallite.train.keras import keras
from corallite.train.model_file import save_model

NAMES = ("shufflenet_v2", "mobilenet_v2")


def small_model(*, joined="relu6"):
    """Every kind of kernel, a concatenation and a dropout, in a second."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, use_bias=False, name="conv")(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU(6.0, name="relu")(x)
    y = keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    if joined == "relu6":
        y = keras.layers.ReLU(6.0)(y)
    x = keras.layers.Concatenate(name="join")([x, y])
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.Dense(3, name="logits")(x)
    return keras.Model(image, keras.layers.Softmax()(x))


@pytest.fixture
def noise():
    return np.random.default_rng(0).random((20, 8, 8, 3), np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_before_any_training_it_answers_as_the_float_model(
    networks, quantized_networks, square_images, name
):
    expected = networks[name](square_images).numpy()
    answers = quantized_networks[name](square_images).numpy()
    assert is_quantized(quantized_networks[name])
    assert not is_quantized(networks[name])
    # Eight bits over some 20 layers move a probability by a percent or two; a range
    # that is not set yet, or wrong, moves them all to the same.
    assert np.abs(answers - expected).mean() < 0.03
    assert np.mean(answers.argmax(1) == expected.argmax(1)) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_zeros_stay_through_training_saving_and_training(
    sparse_networks, trained_networks, name
):
    for layer in sparse_networks[name].layers:
        for weight in layer.weights:
            if not weight.name.endswith("kernel:0"):
                continue
            wrapper = trained_networks[name].get_layer(f"quant_{layer.name}")
            (kernel,) = (w for w in wrapper.weights if w.name.endswith("kernel:0"))
            zeros = weight.numpy() == 0
            assert np.all(kernel.numpy()[zeros] == 0), layer.name
            # The rest has moved on.
            assert np.mean(kernel.numpy()[~zeros] == 0) < 0.01, layer.name


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_reloaded_model_answers_the_same(
    quantized_networks, square_images, name, tmp_path
):
    model = quantized_networks[name]
    save_model(model, tmp_path / "model.h5")
    loaded = load_model(tmp_path / "model.h5")
    np.testing.assert_array_equal(
        loaded(square_images).numpy(), model(square_images).numpy()
    )


def test_all_that_meets_in_a_concatenation_has_one_range(quantized_networks):
    model = quantized_networks["shufflenet_v2"]
    joins = [x for x in model.layers if isinstance(x, keras.layers.Concatenate)]
    assert len(joins) > 10
    for join in joins:
        for source in join.inbound_nodes[0].inbound_layers:
            while not source.name.startswith("quant_"):
                if isinstance(source, keras.layers.Concatenate):
                    break  # It is in `joins` itself.
                source = source.inbound_nodes[0].inbound_layers
            else:
                output = source.quantize_config.output
                assert isinstance(output, FixedRange)
                assert (output.minimum, output.maximum) == (0, 6)


def test_the_argument_is_not_changed(noise):
    model = small_model()
    before = model.get_weights()
    expected = model(noise).numpy()
    quantized = quantize(model, noise)
    quantized.set_weights([weight * 0 for weight in quantized.get_weights()])
    for weight, former in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, former)
    np.testing.assert_array_equal(model(noise).numpy(), expected)


def test_ranges_are_measured_without_dropout(noise):
    first, second = (quantize(model, noise) for model in [small_model()] * 2)
    for weight, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)
    (dropout,) = (x for x in first.layers if isinstance(x, keras.layers.Dropout))
    assert dropout.rate == 0.5


def test_an_unknown_layer_is_named(noise):
    image = keras.Input((8, 8, 3))
    x = keras.layers.UpSampling2D(name="enlarge")(image)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    message = "Layer 'enlarge' is a UpSampling2D, which cannot be quantized"
    with pytest.raises(RequestError, match=message):
        quantize(model, noise)


def test_a_transposed_convolution_is_not_taken_for_a_convolution(noise):
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2DTranspose(4, 2, 2)(image)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    with pytest.raises(RequestError, match="is a Conv2DTranspose"):
        quantize(model, noise)


def test_joining_tensors_of_different_ranges_is_refused(noise):
    with pytest.raises(RequestError, match="'join' joins tensors of different ranges"):
        quantize(small_model(joined="linear"), noise)
