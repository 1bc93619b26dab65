"""A network predicts the same in the layers that Corallite knows."""

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.train.adopt.head import choose_outputs, complete_head
from corallite.train.adopt.input_range import list_ranges, take_photos
from corallite.train.adopt.standard_layers import standardize
from corallite.train.framework.keras import keras

# Relative to the largest output; float sums in another order.
ROUNDING = 1e-5
layers = keras.layers
IMAGES = np.random.default_rng(0).random((4, 16, 16, 3), np.float32)


def build(*rest, channels=3):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((16, 16, channels)), *rest])
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            shapes = [x.shape for x in layer.weights]
            layer.set_weights([rng.uniform(0.5, 1.5, x) for x in shapes])
    return model


def predict(model, images=IMAGES):
    return model.predict(images, verbose=0)


def types_of(model):
    return [type(x).__name__ for x in model.layers[1:]]


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (
            [layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization()],
            ["Conv2D", "ReLU", "DepthwiseConv2D"],
        ),
        (
            [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU()],
            ["Conv2D", "BatchNormalization", "ReLU"],
        ),
        (
            [layers.SeparableConv2D(4, 3, activation="relu6")],
            ["DepthwiseConv2D", "Conv2D", "ReLU"],
        ),
        ([layers.RandomFlip(), layers.Conv2D(4, 3, activation="swish")], None),
    ],
)
def test_layers_become_standard_ones(rest, expected):
    model = build(*rest)
    standard = standardize(model)
    before = predict(model)
    scale = np.abs(before).max()
    np.testing.assert_allclose(predict(standard), before, atol=ROUNDING * scale)
    assert types_of(standard) == (expected or ["Conv2D", "Activation"])


def test_a_norm_between_dense_layers_becomes_part_of_the_second():
    rest = [layers.Flatten(), layers.Dense(8, activation="relu")]
    rest += [layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(3)]
    model = build(*rest)
    standard = standardize(model)
    before = predict(model)
    scale = np.abs(before).max()
    np.testing.assert_allclose(predict(standard), before, atol=ROUNDING * scale)
    assert types_of(standard) == ["Flatten", "Dense", "ReLU", "Dropout", "Dense"]


def test_a_layer_that_is_used_twice_is_refused():
    image = keras.Input((16, 16, 3))
    twice = layers.Conv2D(3, 3, padding="same", name="twice")
    with pytest.raises(RequestError, match="'twice' is used 2 times"):
        standardize(keras.Model(image, twice(twice(image))))


def test_scaling_at_the_begin_becomes_one_layer_or_none():
    body = [layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()]
    model = build(layers.Rescaling(1 / 127.5, -1.0), *body)
    ranges = list_ranges(3)
    taken = take_photos(standardize(model), ranges["0..255"])
    np.testing.assert_allclose(
        predict(taken), predict(model, 255 * IMAGES), atol=ROUNDING
    )
    assert types_of(taken)[:2] == ["DepthwiseConv2D", "Conv2D"]
    model = build(layers.Rescaling(1 / 255), *body)
    assert types_of(take_photos(standardize(model), ranges["0..255"]))[0] == "Conv2D"


@pytest.mark.parametrize("name", ["torch", "caffe"])
def test_a_range_is_that_of_keras_applications(name):
    model = standardize(build(layers.Conv2D(4, 3), layers.GlobalMaxPooling2D()))
    scaled = keras.applications.imagenet_utils.preprocess_input(255 * IMAGES, mode=name)
    taken = take_photos(model, list_ranges(3)[name])
    # Of values up to 151, the precision of the published means is 1e-3.
    np.testing.assert_allclose(predict(taken), predict(model, scaled), atol=1e-3)


def test_a_grey_network_takes_colours():
    model = standardize(build(layers.Conv2D(4, 3), layers.Flatten(), channels=1))
    taken = take_photos(model, list_ranges(1)["0..1"])
    grey = np.repeat(IMAGES[..., :1], 3, axis=-1)
    np.testing.assert_allclose(
        predict(taken, grey), predict(model, IMAGES[..., :1]), atol=ROUNDING
    )


@pytest.mark.parametrize(
    ("last", "note"),
    [
        ([layers.Dense(3, activation="softmax")], ""),
        ([layers.Dense(3), layers.Softmax()], ""),
        ([layers.Dense(3)], "softmax was added"),
        # As old networks of keras.applications end.
        ([layers.Dense(3), layers.Activation("softmax"), layers.Reshape((3,))], ""),
        ([layers.Dense(3, activation="softmax"), layers.Dropout(0.2)], ""),
    ],
)
def test_a_head_ends_in_the_chosen_probabilities(last, note):
    model = standardize(build(layers.Flatten(), *last))
    complete, said = complete_head(model)
    assert note in said and bool(note) == bool(said)
    outputs = predict(complete)
    np.testing.assert_allclose(outputs.sum(1), 1, atol=ROUNDING)
    if not note:
        np.testing.assert_allclose(outputs, predict(model), atol=ROUNDING)
    chosen = outputs[:, [2, 0]]
    np.testing.assert_allclose(
        predict(choose_outputs(complete, [2, 0])),
        chosen / chosen.sum(1, keepdims=True),
        atol=ROUNDING,
    )


def test_a_convolution_may_compute_the_logits():
    body = [layers.GlobalAveragePooling2D(keepdims=True), layers.Conv2D(3, 1)]
    model = build(*body, layers.Reshape((3,)), layers.Activation("softmax"))
    complete, _ = complete_head(standardize(model))
    np.testing.assert_allclose(
        predict(choose_outputs(complete, [1, 0, 2])),
        predict(model)[:, [1, 0, 2]],
        atol=ROUNDING,
    )


def test_one_sigmoid_becomes_two_probabilities():
    model = standardize(build(layers.Flatten(), layers.Dense(1, activation="sigmoid")))
    complete, note = complete_head(model)
    assert "one output became two" in note
    np.testing.assert_allclose(predict(complete)[:, 1:], predict(model), atol=ROUNDING)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ([layers.Conv2D(4, 3)], "and a classifier gives one number per class"),
        ([layers.Flatten(), layers.Dense(3, activation="sigmoid")], "several labels"),
        ([layers.Flatten(), layers.Softmax()], "must come from a dense layer"),
    ],
)
def test_other_ends_are_refused(rest, message):
    with pytest.raises(RequestError, match=message):
        complete_head(standardize(build(*rest)))
