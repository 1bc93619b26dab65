"""A copied graph is the same graph, and what cannot be copied is refused."""

import numpy as np
import pytest

from corallite.optimize.keras_graph import traverse
from corallite.train.framework.keras import keras


@pytest.mark.parametrize("name", ["shufflenet_v2", "mobilenet_v2"])
def test_rebuild_copies_a_network(networks, square_images, name):
    model = networks[name]
    copy = traverse.rebuild(model, traverse.copy_layer)
    assert [layer.name for layer in copy.layers] == [x.name for x in model.layers]
    assert not {id(x) for x in copy.weights} & {id(x) for x in model.weights}
    # The same operations on the same numbers, in the same order.
    expected = model(square_images).numpy()
    np.testing.assert_array_equal(copy(square_images).numpy(), expected)


def test_rebuild_leaves_out_what_replace_returns_none_for():
    image = keras.Input((4, 4, 3))
    x = keras.layers.ReLU(name="first")(image)
    x = keras.layers.ReLU(name="gone")(x)
    model = keras.Model(image, keras.layers.ReLU(name="last")(x))

    def replace(layer):
        return None if layer.name == "gone" else traverse.copy_layer(layer)

    copy = traverse.rebuild(model, replace)
    assert [layer.name for layer in copy.layers][1:] == ["first", "last"]


def test_rebuild_puts_a_layer_behind_the_input():
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, keras.layers.ReLU()(image))
    negate = keras.layers.Rescaling(-1.0)
    copy = traverse.rebuild(model, traverse.copy_layer, after_input=negate)
    np.testing.assert_array_equal(copy(-np.ones((1, 4, 4, 3))).numpy(), 1)


def test_a_nested_model_is_refused():
    image = keras.Input((4, 4, 3))
    inner = keras.Model(image, keras.layers.ReLU()(image), name="backbone")
    model = keras.Model(image, inner(image))
    with pytest.raises(ValueError, match="nested model 'backbone'"):
        traverse.rebuild(model, traverse.copy_layer)


def test_a_shared_layer_is_refused():
    image = keras.Input((4, 4, 3))
    shared = keras.layers.ReLU(name="twice")
    model = keras.Model(image, shared(shared(image)))
    with pytest.raises(ValueError, match="'twice' used 2 times"):
        traverse.rebuild(model, traverse.copy_layer)


def test_several_outputs_stay_in_their_order():
    image = keras.Input((4, 4, 3))
    outputs = [
        keras.layers.Rescaling(factor, name=name)(image)
        for name, factor in (("twice", 2.0), ("half", 0.5))
    ]
    copy = traverse.rebuild(keras.Model(image, outputs), traverse.copy_layer)
    twice, half = copy(np.ones((1, 4, 4, 3)))
    assert (float(twice[0, 0, 0, 0]), float(half[0, 0, 0, 0])) == (2.0, 0.5)


def test_two_inputs_are_refused():
    images = [keras.Input((4, 4, 3)), keras.Input((4, 4, 3))]
    model = keras.Model(images, keras.layers.Add()(images))
    with pytest.raises(ValueError, match="with one input, got .* with 2"):
        traverse.rebuild(model, traverse.copy_layer)


def test_a_sequential_model_is_refused():
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.ReLU()])
    with pytest.raises(ValueError, match="a Sequential"):
        traverse.rebuild(model, traverse.copy_layer)
