"""Several convolutions compute the slices of one."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from corallite.convert.tflite import converter
from corallite.convert.tflite.queries import count_operators, float_tensors
from corallite.convert.tflite.split_convolutions import split_convolutions
from corallite.train.framework.keras import keras
from corallite.train.models.channel_slice import ChannelSlice

CHANNELS = 50


def sliced_model(edges, *, read_whole=False):
    """A convolution of 50 channels whose slices are read in another order."""
    image = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(CHANNELS, 1)(image)
    x = keras.layers.ReLU(6.0)(x)
    pieces = [ChannelSlice(*edge)(x) for edge in edges]
    if read_whole:
        pieces.append(x)
    x = keras.layers.Concatenate()(pieces[::-1])
    x = keras.layers.Conv2D(4, 1)(x)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0.1, 1, w.shape) for w in model.get_weights()])
    return model


def output_of(content):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (pixels,) = interpreter.get_input_details()
    image = np.random.default_rng(1).integers(0, 256, pixels["shape"])
    interpreter.set_tensor(pixels["index"], image.astype(pixels["dtype"]))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.fixture
def convert_whole(monkeypatch, draw_clouds):
    """A function that converts a model without splitting convolutions."""

    def convert(model):
        _, height, width, _ = model.input_shape
        monkeypatch.setattr(converter, "split_convolutions", lambda content: content)
        return converter.convert_to_int8(model, draw_clouds(5, height, width))

    return convert


@pytest.mark.parametrize(
    ("edges", "convolutions", "slices"),
    [
        ([(0, 24), (24, 38), (38, 50)], 3, 0),
        ([(38, 50), (0, 24), (24, 38)], 3, 0),  # Whatever the order of the slices.
        ([(0, 24), (24, 40), (40, 46), (46, 50)], 2, 3),  # 10 in the last two.
        ([(0, 24), (24, 36), (36, 43), (43, 50)], 3, 2),  # 14 in the last two.
        ([(0, 20), (20, 28), (28, 50)], 2, 2),  # A thin one before a thick one.
        ([(0, 45), (45, 50)], 1, 2),
        ([(0, 24), (24, 40)], 1, 2),  # Ten are not read.
        ([(0, 30), (20, 50)], 1, 2),  # Ten are read twice.
    ],
)
def test_outputs_are_bit_identical(edges, convolutions, slices, convert_whole):
    whole = convert_whole(sliced_model(edges))
    split = split_convolutions(whole)
    operators = count_operators(split)
    # Plus the one that reads them.
    assert operators["CONV_2D"] == convolutions + 1
    assert operators["STRIDED_SLICE"] == slices
    np.testing.assert_array_equal(output_of(split), output_of(whole))
    assert split == whole or convolutions > 1


def test_a_convolution_that_is_also_read_completely_is_not_split(convert_whole):
    model = sliced_model([(0, 25), (25, 50)], read_whole=True)
    whole = convert_whole(model)
    assert split_convolutions(whole) == whole


def test_a_float_file_is_split_too():
    whole = converter.convert_to_float(sliced_model([(0, 25), (25, 50)]))
    split = split_convolutions(whole)
    assert count_operators(split)["CONV_2D"] == 3
    # The same products; their sums may be in another order.
    np.testing.assert_allclose(output_of(split), output_of(whole), rtol=1e-5)


def test_slices_of_the_image_are_no_slices_of_channels():
    image = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(32, 1)(image)
    top, bottom = (keras.layers.Cropping2D(((3 * i, 3 - 3 * i), 0))(x) for i in (0, 1))
    x = keras.layers.Concatenate()([top, bottom])
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    whole = converter.convert_to_float(model)
    assert count_operators(whole)["STRIDED_SLICE"] == 2
    assert split_convolutions(whole) == whole


def test_no_unused_tensor_remains(convert_whole):
    whole = convert_whole(sliced_model([(0, 25), (25, 50)]))
    split = split_convolutions(whole)
    interpreter = Interpreter(model_content=split)
    names = [tensor["name"] for tensor in interpreter.get_tensor_details()]
    assert len(set(names)) == len(names)
    # One kernel and bias more, one sliced tensor and five slice constants fewer.
    before = len(Interpreter(model_content=whole).get_tensor_details())
    assert len(names) < before
    assert float_tensors(split) == []
    # Two more operators and their tensors, no copy of a kernel.
    assert len(split) < len(whole) + 1000
    signature = interpreter.get_signature_runner()
    pixels = np.zeros((1, 6, 6, 3), np.uint8)
    assert signature(image=pixels)["probabilities"].shape == (1, 4)
