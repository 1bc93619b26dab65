"""A network without some channels computes what it did when nothing read them."""

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.optimize.slim.remove_channels import mask_channels, remove_channels
from corallite.optimize.slim.trace_channels import Axis, trace_channels
from corallite.train.framework.keras import keras
from corallite.train.models import registry
from corallite.train.models.channel_slice import ChannelSlice
from corallite.train.models.hard_swish import HardSwish

layers = keras.layers
SIZE = 8


def choose(channels, rng, share=0.5):
    """Returns which atoms stay: of each group a random part, at least one."""
    kept = np.ones(channels.size, bool)
    for group in channels.groups:
        count = rng.integers(1, max(2, int(share * len(group.atoms)) + 1))
        kept[group.atoms] = False
        kept[rng.permutation(group.atoms)[:count]] = True
    return kept


def randomize(model, rng):
    """Gives every weight a value that a wrong channel would change."""
    for layer in model.layers:
        weights = [rng.normal(0.1, 0.4, w.shape) for w in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            weights[3] = np.abs(weights[3]) + 0.5
        layer.set_weights(weights)


def assert_as_masked(model, rng):
    channels = trace_channels(model)
    assert channels.groups
    kept = choose(channels, rng)
    slim = remove_channels(model, channels, kept)
    assert slim.count_params() < model.count_params()
    images = rng.random((3, *model.input_shape[1:])).astype(np.float32)
    expected = mask_channels(model, channels, kept)(images).numpy()
    found = slim(images).numpy()
    assert found.shape == expected.shape
    # Sums in another order: float32 rounds each to 1e-7 of the largest.
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    # The mask matters: else removing anything would do.
    assert np.abs(model(images).numpy() - expected).max() > 0


class Drawer:
    """Draws a random graph; every tensor is [SIZE, SIZE, channels]."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        image = keras.Input((SIZE, SIZE, 3))
        self.image, self.tensors = image, [self.convolve(image)]

    def pick(self):
        return self.tensors[self.rng.integers(len(self.tensors))]

    def convolve(self, x):
        x = layers.Conv2D(int(self.rng.integers(2, 7)), 3, padding="same")(x)
        return layers.ReLU(6.0)(layers.BatchNormalization()(x))

    def depthwise(self, x):
        return layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)

    def add(self, x):
        channels = x.shape[-1]
        other = layers.Conv2D(channels, 1, activation="sigmoid")(self.pick())
        alike = [t for t in self.tensors if t.shape[-1] == channels]
        return layers.Add()([x, other, alike[self.rng.integers(len(alike))]])

    def concatenate(self, x):
        return layers.Concatenate()([x, self.pick(), self.pick()])

    def take(self, x):
        start = int(self.rng.integers(x.shape[-1]))
        return ChannelSlice(start, int(self.rng.integers(start, x.shape[-1])) + 1)(x)

    def excite(self, x):
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = layers.Conv2D(2, 1, activation="relu")(gate)
        gate = layers.Conv2D(x.shape[-1], 1, activation="hard_sigmoid")(gate)
        return HardSwish()(layers.Multiply()([x, gate]))

    def draw(self):
        steps = (
            *(self.convolve, self.depthwise, self.add, self.concatenate),
            *(self.take, self.excite),
        )
        for _ in range(8):
            step = steps[self.rng.integers(len(steps))]
            self.tensors.append(step(self.pick()))
        x = layers.Concatenate()(self.tensors)
        ends = (layers.GlobalAveragePooling2D, layers.Flatten)
        x = ends[self.rng.integers(2)]()(layers.MaxPooling2D(4)(x))
        model = keras.Model(self.image, layers.Dense(4, "softmax")(x))
        # Without softmax, which hides differences.
        model.layers[-1].activation = keras.activations.linear
        randomize(model, self.rng)
        return model


@pytest.mark.parametrize("seed", range(6))
def test_random_graphs_compute_what_the_masked_ones_do(seed):
    drawer = Drawer(seed)
    assert_as_masked(drawer.draw(), drawer.rng)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(registry.NETWORKS))
def test_networks_compute_what_the_masked_ones_do(name, few_units):
    rng = np.random.default_rng(0)
    size = registry.NETWORKS[name].smallest_side
    with few_units():
        model = registry.build(name, (size, size, 3), 10, width=0.5)
    randomize(model, rng)
    model = keras.Model(model.input, model.get_layer("logits").output)
    assert_as_masked(model, rng)


def test_without_removal_the_output_is_equal():
    drawer = Drawer(0)
    model = drawer.draw()
    channels = trace_channels(model)
    same = remove_channels(model, channels, np.ones(channels.size, bool))
    images = drawer.rng.random((3, SIZE, SIZE, 3))
    assert np.array_equal(same(images), model(images))


def test_channels_of_input_and_output_are_in_no_group():
    model = Drawer(1).draw()
    channels = trace_channels(model)
    free = set(np.concatenate([group.atoms for group in channels.groups]).tolist())
    first = next(use for use in channels.uses if use.axis is Axis.INPUT)
    assert not free & set(first.atoms.tolist())
    assert not free & set(channels.outputs[model.layers[-1].name].tolist())


def test_an_unknown_layer_is_refused_by_name():
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(4, 3)(image)
    x = layers.LayerNormalization(name="strange")(x)
    model = keras.Model(image, layers.Conv2D(2, 1)(x))
    with pytest.raises(RequestError, match=r"strange: channels .*LayerNormalization"):
        trace_channels(model)


def test_a_layer_without_channels_is_refused():
    model = Drawer(2).draw()
    channels = trace_channels(model)
    kept = np.ones(channels.size, bool)
    kept[channels.groups[0].atoms] = False
    with pytest.raises(ValueError, match="Expected channels to stay in"):
        remove_channels(model, channels, kept)
