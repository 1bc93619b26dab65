"""Folded into the first convolution, the normalization still ends at the border."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from corallite.convert.tflite.converter import convert_to_int8
from corallite.optimize.quantize.normalization import fold_normalization
from corallite.train.framework.keras import keras
from corallite.train.models import blocks
from corallite.train.models.networks import (
    efficientnet_lite,
    mobilenet_v2,
    shufflenet_v2,
)

CONVENTIONS = {
    "torchvision": shufflenet_v2.TORCHVISION,
    "keras": mobilenet_v2.KERAS_APPLICATIONS,
    "efficientnet": efficientnet_lite.CONVENTIONS,
}


def make_model(name, side_hw=(8, 8), *, stride=2, change=None):
    """Normalization and a convolution, whose output shows every pixel of its own."""
    image, x = blocks.input_image((*side_hw, 3), CONVENTIONS[name])
    if change:
        x = change(x)
    x, padding = CONVENTIONS[name].pad(x, 3, stride, "stem")
    x = keras.layers.Conv2D(4, 3, stride, padding=padding, name="stem")(x)
    model = keras.Model(image, x)
    rng = np.random.default_rng(0)
    stem = model.get_layer("stem")
    stem.set_weights([rng.normal(0, 0.3, w.shape) for w in stem.get_weights()])
    return model


def random_images(model, count=4):
    shape = (count, *model.input_shape[1:])
    pixels = np.random.default_rng(0).integers(0, 256, shape)
    return np.float32(pixels) / np.float32(255)


@pytest.mark.parametrize("side_hw", [(8, 8), (7, 7), (8, 7)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", CONVENTIONS)
def test_without_normalization_it_computes_the_same(name, side_hw, stride):
    model = make_model(name, side_hw, stride=stride)
    folded = fold_normalization(model)
    names = [layer.name for layer in folded.layers]
    assert names[1:] == ["stem_border", "stem"] and "normalize" not in names
    images = random_images(model)
    # A border's colour is off by half of 1/255 at most, normalized by 0.22; five of
    # nine pixels of a corner are border, of three channels with weights of 0.3 in the
    # mean. What zeros in place of the colour would do is a hundred times more.
    expected = model(images).numpy()
    np.testing.assert_allclose(folded(images), expected, atol=15 * 0.3 * 0.009)
    # Where the kernel sees no border there is no such error.
    inside = folded(images).numpy()[:, 1:-1, 1:-1]
    np.testing.assert_allclose(inside, expected[:, 1:-1, 1:-1], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_int8_file_has_the_colour_at_the_border(name, draw_clouds):
    model = make_model(name)
    x = keras.layers.Conv2D(4, 1)(keras.layers.ReLU(6.0)(model.output))
    model = keras.Model(model.input, x)
    images = draw_clouds(8, *model.input_shape[1:3])
    content = convert_to_int8(model, images)
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (output,) = interpreter.get_output_details()
    scale, zero_point = output["quantization"]
    for image, expected in zip(images, model(images).numpy(), strict=True):
        interpreter.set_tensor(
            interpreter.get_input_details()[0]["index"],
            np.round(image * 255).astype(np.uint8)[np.newaxis],
        )
        interpreter.invoke()
        raw = interpreter.get_tensor(output["index"])[0]
        # Eight bits in two layers: some steps of 1/255 of the output's range.
        answer = (raw.astype(int) - zero_point) * scale
        np.testing.assert_allclose(answer, expected, atol=4 * scale)


@pytest.mark.parametrize(
    "change",
    [
        keras.layers.ReLU(),
        keras.layers.MaxPool2D(2),
        lambda x: keras.layers.Concatenate()([x, x]),
    ],
)
def test_what_is_read_otherwise_is_left_alone(change):
    model = make_model("torchvision", (16, 16), change=change)
    folded = fold_normalization(model)
    assert [x.name for x in folded.layers] == [x.name for x in model.layers]
    images = random_images(model)
    np.testing.assert_array_equal(folded(images), model(images))


def test_a_padded_image_that_is_padded_again_is_left_alone():
    model = make_model("keras", change=keras.layers.ZeroPadding2D(1))
    assert fold_normalization(model).get_layer("normalize")


def test_a_network_that_ends_there_is_left_alone():
    image, x = blocks.input_image((8, 8, 3), CONVENTIONS["keras"])
    assert fold_normalization(keras.Model(image, x)).get_layer("normalize")


def test_a_depthwise_convolution_that_is_trained_is_left_alone():
    model = make_model("torchvision")
    model.get_layer("normalize").trainable = True
    assert fold_normalization(model).get_layer("normalize").trainable


def test_a_colour_that_no_pixel_has_is_left_alone():
    model = make_model("torchvision")
    kernel, bias = model.get_layer("normalize").get_weights()
    model.get_layer("normalize").set_weights([kernel, bias + 3])
    assert fold_normalization(model).get_layer("normalize")
