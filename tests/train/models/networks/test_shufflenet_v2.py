"""The network without a shuffle computes what the published one computes."""

import numpy as np
import pytest

from corallite.train.framework.keras import keras, tf
from corallite.train.models.channel_slice import ChannelSlice
from corallite.train.models.networks.channel_routing import route_stage
from corallite.train.models.networks.shufflenet_v2 import (
    STAGE_UNITS,
    channels_of,
    shufflenet_v2,
)

STAGES = (2, 3, 4)


class PublishedNetwork:
    """ShuffleNetV2 as in the paper, in plain operators; weights in published order.

    The only things taken over from ours are the names of the layers, the stem's
    strides, ReLU6 and the batch norms' epsilon.
    """

    def __init__(self, weights):
        self.weights = weights

    def logits(self, images, stem_stride):
        x = self._conv(images, "stem", min(stem_stride, 2))
        if stem_stride == 4:
            x = tf.nn.max_pool2d(x, 3, 2, "SAME")
        for stage, units in zip(STAGES, STAGE_UNITS, strict=True):
            x = self._opening_unit(x, f"stage{stage}_unit0")
            for unit in range(1, units):
                x = self._unit(x, f"stage{stage}_unit{unit}")
        x = tf.reduce_mean(self._conv(x, "last"), axis=(1, 2))
        kernel, bias = self.weights["logits"]
        return x @ kernel + bias

    def _opening_unit(self, x, name):
        shortcut = self._depthwise(x, f"{name}_shortcut_depthwise", stride=2)
        shortcut = self._conv(shortcut, f"{name}_shortcut_out")
        return shuffle(tf.concat([shortcut, self._branch(x, name, stride=2)], axis=-1))

    def _unit(self, x, name):
        left, right = tf.split(x, 2, axis=-1)
        return shuffle(tf.concat([left, self._branch(right, name, stride=1)], axis=-1))

    def _branch(self, x, name, stride):
        x = self._conv(x, f"{name}_branch_in")
        x = self._depthwise(x, f"{name}_branch_depthwise", stride)
        return self._conv(x, f"{name}_branch_out")

    def _conv(self, x, name, stride=1):
        x = tf.nn.conv2d(x, self.weights[name][0], stride, "SAME")
        return tf.nn.relu6(self._normalize(x, name))

    def _depthwise(self, x, name, stride):
        strides = (1, stride, stride, 1)
        x = tf.nn.depthwise_conv2d(x, self.weights[name][0], strides, "SAME")
        return self._normalize(x, name)

    def _normalize(self, x, name):
        scale, offset, mean, variance = self.weights[f"{name}_bn"]
        return tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-5)


def shuffle(x):
    """Channel shuffle with two groups, as published: through five dimensions."""
    _, height, width, channels = x.shape
    x = tf.reshape(x, (-1, height, width, 2, channels // 2))
    return tf.reshape(tf.transpose(x, (0, 1, 2, 4, 3)), (-1, height, width, channels))


def channel_orders(width):
    """Published channel at each stored position, of the layers where they differ.

    Returns two dictionaries by name of a layer: of its inputs and of its outputs.
    """
    inputs: dict[str, tuple[int, ...]] = {}
    outputs: dict[str, tuple[int, ...]] = {}
    before: tuple[int, ...] = ()
    for stage, units, channels in zip(
        STAGES, STAGE_UNITS, channels_of(width)[:-1], strict=True
    ):
        routing = route_stage(units, channels // 2)
        name = f"stage{stage}_unit"
        if before:
            outputs[f"{name}0_shortcut_depthwise"] = before
            inputs[f"{name}0_shortcut_out"] = inputs[f"{name}0_branch_in"] = before
        outputs[f"{name}0_shortcut_out"] = routing.published_channel[0]
        for unit in range(units):
            outputs[f"{name}{unit}_branch_out"] = routing.published_channel[unit + 1]
        for unit in range(1, units):
            inputs[f"{name}{unit}_branch_in"] = routing.published_input[unit - 1]
        before = routing.published_input[-1]
    inputs["last"] = before
    return inputs, outputs


def import_weights(model, weights, width):
    """Sets the weights of `model` from published ones, by name of the layer."""
    inputs, outputs = channel_orders(width)
    for name, arrays in weights.items():
        layer = model.get_layer(name)
        order = outputs.get(name.removesuffix("_bn"))
        if isinstance(layer, keras.layers.BatchNormalization):
            arrays = [array[list(order)] for array in arrays] if order else arrays
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            arrays = [arrays[0][:, :, list(order)]] if order else arrays
        elif isinstance(layer, keras.layers.Conv2D):
            kernel = arrays[0]
            kernel = kernel[:, :, list(inputs[name])] if name in inputs else kernel
            arrays = [kernel[..., list(order)] if order else kernel]
        layer.set_weights(arrays)


def random_weights(model, rng):
    """Weights for every layer of `model` that keep its activations alive."""
    weights = {}
    for layer in model.layers:
        shapes = [weight.shape for weight in layer.weights]
        if isinstance(layer, keras.layers.BatchNormalization):
            scale, variance = (rng.uniform(0.5, 1.5, shapes[0]) for _ in range(2))
            offset, mean = (rng.normal(0.3, 0.3, shapes[0]) for _ in range(2))
            arrays = [scale, offset, mean, variance]
        else:
            arrays = [rng.normal(0, _spread(layer, shape), shape) for shape in shapes]
        if shapes:
            weights[layer.name] = [np.float32(array) for array in arrays]
    return weights


def _spread(layer, shape):
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return np.sqrt(2 / (9 if is_depthwise else np.prod(shape[:-1])))


@pytest.mark.parametrize(("side", "stem_stride"), [(32, 1), (224, 4)])
@pytest.mark.parametrize("width", [0.5, 1.0])
def test_logits_are_those_of_the_published_network(width, side, stem_stride):
    rng = np.random.default_rng(0)
    model = shufflenet_v2((side, side, 3), 10, width=width)
    weights = random_weights(model, rng)
    import_weights(model, weights, width)
    images = rng.random((2, side, side, 3), np.float32)
    logits_model = keras.Model(model.input, model.get_layer("logits").output)
    expected = PublishedNetwork(weights).logits(images, stem_stride).numpy()
    # The logits tell the images apart, or the comparison would say nothing.
    assert np.abs(expected[0] - expected[1]).max() > 1e-2 * np.abs(expected).max()
    # The sums are the same but for their order: float32 keeps 7 digits of each.
    error = np.abs(logits_model(images).numpy() - expected).max()
    assert error <= 1e-4 * np.abs(expected).max()


def test_a_wrong_order_would_be_seen():
    # The comparison above is worth something only if the permutations matter.
    rng = np.random.default_rng(0)
    model = shufflenet_v2((32, 32, 3), 10, width=0.5)
    weights = random_weights(model, rng)
    for name, arrays in weights.items():
        model.get_layer(name).set_weights(arrays)
    images = rng.random((2, 32, 32, 3), np.float32)
    logits_model = keras.Model(model.input, model.get_layer("logits").output)
    expected = PublishedNetwork(weights).logits(images, stem_stride=1).numpy()
    error = np.abs(logits_model(images).numpy() - expected).max()
    assert error > 1e-2 * np.abs(expected).max()


def test_nothing_is_transposed_or_gathered():
    model = shufflenet_v2((64, 64, 3), 10, width=0.5)
    graph = tf.function(model).get_concrete_function(
        tf.TensorSpec((1, 64, 64, 3), tf.float32)
    )
    kinds = {operation.type for operation in graph.graph.get_operations()}
    assert "ConcatV2" in kinds
    moving = {"Transpose", "Reshape", "Gather", "GatherV2", "Split", "SplitV"}
    assert not kinds & moving


def test_channel_slice_keeps_the_image_and_takes_the_channels():
    x = np.random.default_rng(0).random((2, 3, 4, 8), np.float32)
    layer = ChannelSlice(2, 5)
    np.testing.assert_array_equal(layer(x), x[..., 2:5])
    assert layer.compute_output_shape((None, 3, 4, 8)) == (None, 3, 4, 3)
    copy = ChannelSlice.from_config(layer.get_config())
    np.testing.assert_array_equal(copy(x), x[..., 2:5])


@pytest.mark.parametrize("training", [False, True])
def test_channel_slice_sends_its_gradient_to_the_channels_it_took(training):
    x = tf.random.stateless_uniform((2, 3, 4, 8), seed=(0, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = ChannelSlice(2, 5)(x, training=training)
        loss = tf.reduce_sum(y * y)
    np.testing.assert_array_equal(y, x[..., 2:5])
    expected = np.zeros(x.shape, np.float32)
    expected[..., 2:5] = 2 * y
    np.testing.assert_array_equal(tape.gradient(loss, x), expected)


@pytest.mark.parametrize(
    ("width", "channels"),
    [
        (0.5, (48, 96, 192, 1024)),
        (2.0, (244, 488, 976, 2048)),
        (0.25, (28, 56, 112, 1024)),
        (0.01, (8, 16, 32, 1024)),
        (3.0, (348, 696, 1392, 2048)),
    ],
)
def test_channels_follow_the_table_or_scale_it(width, channels):
    assert channels_of(width) == channels
