"""Concatenated zeros replace padded zeros, and the model computes the same."""

import numpy as np
import pytest

from corallite.optimize.quantize.padding import replace_padding
from corallite.train.framework.keras import keras
from corallite.train.models.networks.mobilenet_v2 import TORCHVISION, mobilenet_v2


def reader(kind, size, stride, padding="valid"):
    if kind == "pool":
        return keras.layers.MaxPool2D(size, stride, padding=padding)
    if kind == "depthwise":
        return keras.layers.DepthwiseConv2D(size, stride, padding=padding)
    return keras.layers.Conv2D(4, size, stride, padding=padding)


def padded_model(side_hw, *readers, padding=1):
    image = keras.Input((*side_hw, 3))
    x = keras.layers.ZeroPadding2D(padding, name="pad")(image)
    outputs = [keras.layers.GlobalMaxPool2D()(layer(x)) for layer in readers]
    if len(outputs) == 1:
        return keras.Model(image, readers[0].output)
    return keras.Model(image, keras.layers.Add()(outputs))


def assert_same(model, padless):
    shape = (2, *model.input_shape[1:])
    # Below zero too: a max pool has to see the zeros.
    images = np.random.default_rng(0).normal(-0.5, 1, shape).astype(np.float32)
    # The same numbers are added, in an order that may differ.
    np.testing.assert_allclose(padless(images), model(images), atol=1e-6)
    kinds = {type(layer) for layer in padless.layers}
    assert keras.layers.ZeroPadding2D not in kinds


@pytest.mark.parametrize("side_hw", [(8, 8), (7, 7), (8, 7)])
@pytest.mark.parametrize("kind", ["conv", "depthwise", "pool"])
@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (5, 2), (3, 3)])
def test_without_padding_it_computes_the_same(side_hw, kind, size, stride):
    model = padded_model(side_hw, reader(kind, size, stride), padding=size // 2)
    assert_same(model, replace_padding(model))


@pytest.mark.parametrize(
    ("side", "size", "stride", "amounts"),
    [
        (8, 3, 2, (1, 0)),  # Ends with pixels 5, 6, 7.
        (7, 3, 2, (1, 1)),
        (8, 3, 1, (1, 1)),
        (8, 5, 2, (2, 1)),  # Ends with pixels 4 to 7 and one more.
        (9, 3, 3, (1, 0)),
    ],
)
def test_zeros_that_no_kernel_reads_are_left_out(side, size, stride, amounts):
    layer = reader("conv", size, stride)
    model = padded_model((side, side), layer, padding=size // 2)
    border = replace_padding(model).get_layer("pad")
    assert border.rows == border.columns == amounts


def test_a_dilated_kernel_reads_further():
    layer = keras.layers.Conv2D(4, 3, dilation_rate=2)
    model = padded_model((8, 8), layer, padding=2)
    padless = replace_padding(model)
    assert padless.get_layer("pad").rows == (2, 2)
    assert_same(model, padless)


def test_two_readers_get_all_the_zeros():
    readers = [reader("conv", 3, 2), reader("conv", 3, 1, padding="same")]
    model = padded_model((8, 8), *readers)
    padless = replace_padding(model)
    assert padless.get_layer("pad").rows == (1, 1)
    assert_same(model, padless)


def test_a_reader_that_pads_itself_gets_all_the_zeros():
    model = padded_model((8, 8), reader("conv", 3, 2, padding="same"))
    padless = replace_padding(model)
    assert padless.get_layer("pad").rows == (1, 1)
    assert_same(model, padless)


def test_padding_at_the_end_of_a_network_is_kept():
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.ZeroPadding2D(1)(image))
    assert_same(model, replace_padding(model))


def test_a_published_network_computes_the_same():
    keras.utils.set_random_seed(0)
    model = mobilenet_v2((32, 32, 3), 10, width=0.35, conventions=TORCHVISION)
    assert_same(model, replace_padding(model))
