"""What each quantizer makes of the numbers that it gets."""

import types

import numpy as np
import pytest

from corallite.optimize.keras_graph.quantizers import (
    FixedRange,
    KernelQuantizer,
    MovingRange,
)
from corallite.train.framework.keras import keras, tf


class Holder(keras.layers.Layer):
    """Stands for the wrapper, whose layer has this bias."""

    def __init__(self, bias=None):
        super().__init__()
        self.layer = types.SimpleNamespace(bias=bias)


def quantize_kernel(kernel, channel_axis, bias=None, mask=None):
    quantizer = KernelQuantizer(channel_axis)
    kernel = tf.constant(kernel, tf.float32)
    weights = quantizer.build(kernel.shape, "kernel", Holder(bias))
    if mask is not None:
        weights["mask"].assign(mask)
    return quantizer(kernel, True, weights).numpy()


def random_kernel(shape, channel_axis):
    """Channels of very different size: 1, 10, 100 ..."""
    kernel = np.random.default_rng(0).normal(size=shape)
    count = shape[channel_axis]
    sizes = 10.0 ** np.arange(count)
    return kernel * np.moveaxis(np.broadcast_to(sizes, shape), -1, channel_axis)


@pytest.mark.parametrize(
    ("shape", "axis"), [((3, 3, 5, 4), -1), ((3, 3, 5, 4), 3), ((3, 3, 4, 1), 2)]
)
def test_each_channel_has_its_own_grid(shape, axis):
    kernel = random_kernel(np.roll(shape, 0), axis) if axis != 2 else None
    if kernel is None:
        sizes = 10.0 ** np.arange(4)[:, np.newaxis]
        kernel = np.random.default_rng(0).normal(size=shape) * sizes
    quantized = quantize_kernel(kernel, axis)
    for before, after in zip(
        np.moveaxis(kernel, axis, 0), np.moveaxis(quantized, axis, 0), strict=True
    ):
        scale = np.abs(before).max() / 127
        steps = after / scale
        # Float32 holds 7 digits of up to 127 steps.
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)
        assert np.abs(np.round(steps)).max() == 127
        # Rounded to the nearest.
        assert np.abs(after - before).max() <= scale * 0.5001


def test_without_axis_one_grid_serves_all():
    kernel = np.random.default_rng(0).normal(size=(6, 4)) * 10.0 ** np.arange(4)
    quantized = quantize_kernel(kernel, None)
    steps = quantized / (np.abs(kernel).max() / 127)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)
    assert np.abs(np.round(steps)).max() == 127
    # A thousand times smaller than the largest: less than half a step.
    assert np.all(quantized[:, 0] == 0)


@pytest.mark.parametrize(("shape", "axis"), [((3, 3, 5, 4), -1), ((3, 3, 4, 1), 2)])
def test_the_mask_keeps_zeros(shape, axis):
    mask = np.random.default_rng(1).random(shape) < 0.5
    quantized = quantize_kernel(np.ones(shape), axis, mask=np.float32(mask))
    np.testing.assert_allclose(quantized, mask, atol=1e-6)
    assert np.all(quantized[~mask] == 0)


def test_the_gradient_of_a_masked_weight_is_zero():
    quantizer = KernelQuantizer(-1)
    kernel = tf.ones((1, 1, 2, 2))
    weights = quantizer.build(kernel.shape, "kernel", Holder())
    weights["mask"].assign([[[[1.0, 0.0], [1.0, 1.0]]]])
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        total = tf.reduce_sum(0.5 * quantizer(kernel, True, weights))
    gradient = tape.gradient(total, kernel).numpy()[0, 0]
    assert gradient[0, 1] == 0
    assert np.all(gradient[[0, 1, 1], [0, 0, 1]] > 0)


@pytest.mark.parametrize(("shape", "axis"), [((3, 3, 5, 4), -1), ((3, 3, 4, 1), 2)])
def test_a_channel_of_zeros_gives_zeros(shape, axis):
    kernel = np.ones(shape)
    np.moveaxis(kernel, axis, 0)[1] = 0
    quantized = quantize_kernel(kernel, axis, bias=tf.constant([0.0, 5.0, 0.0, 0.0]))
    assert np.all(np.moveaxis(quantized, axis, 0)[1] == 0)
    np.testing.assert_allclose(np.moveaxis(quantized, axis, 0)[2], 1, atol=1e-6)


def test_a_kernel_far_below_its_bias_has_a_coarser_grid():
    kernel = np.full((1, 1, 1, 2), 1e-3)
    quantized = quantize_kernel(kernel, -1, bias=tf.constant([0.0, 127 * 1.024]))
    # The grid of the second goes to bias/1024, in steps of 1/1000.
    np.testing.assert_allclose(quantized.ravel(), [1e-3, 1e-3], rtol=1e-5)
    quantized = quantize_kernel(0.4 * kernel, -1, bias=tf.constant([0.0, 127 * 1.024]))
    np.testing.assert_allclose(quantized.ravel(), [4e-4, 0], rtol=1e-5)


def moving_range():
    quantizer = MovingRange()
    return quantizer, quantizer.build(None, "output", Holder())


def show(quantizer, weights, *numbers, training=True):
    return quantizer(tf.constant(numbers, tf.float32), training, weights).numpy()


def range_of(weights):
    return weights["min"].numpy(), weights["max"].numpy()


def test_the_first_batch_sets_the_moving_range():
    quantizer, weights = moving_range()
    show(quantizer, weights, -2.0, 1.0, 3.0)
    assert range_of(weights) == (-2, 3)


def test_the_moving_range_is_the_mean_of_the_batches():
    quantizer, weights = moving_range()
    for numbers in ((-2.0, 3.0), (-4.0, 5.0), (0.0, 1.0)):
        show(quantizer, weights, *numbers)
    np.testing.assert_allclose(range_of(weights), (-2, 3), rtol=1e-6)


def test_zero_is_inside_the_moving_range():
    quantizer, weights = moving_range()
    show(quantizer, weights, 2.0, 3.0)
    assert range_of(weights) == (0, 3)
    quantizer, weights = moving_range()
    show(quantizer, weights, -3.0, -2.0)
    assert range_of(weights) == (-3, 0)


def test_after_a_hundred_batches_the_moving_range_follows():
    quantizer, weights = moving_range()
    for _ in range(200):
        show(quantizer, weights, 0.0, 1.0)
    for _ in range(100):
        show(quantizer, weights, 0.0, 2.0)
    # A rate of 1/100, not 1/200: 0.99^100 of the former 1 is left.
    np.testing.assert_allclose(range_of(weights)[1], 2 - 0.99**100, rtol=1e-4)


def test_without_training_the_moving_range_stays_and_clips():
    quantizer, weights = moving_range()
    show(quantizer, weights, 0.0, 1.0)
    answers = show(quantizer, weights, -1.0, 0.5, 9.0, training=False)
    assert range_of(weights) == (0, 1)
    # Half a step of 1/255.
    np.testing.assert_allclose(answers, [0, 0.5, 1], atol=0.5 / 255 + 1e-6)


def test_a_tensor_of_zeros_has_a_range():
    quantizer, weights = moving_range()
    assert np.all(show(quantizer, weights, 0.0, 0.0) == 0)


def test_a_fixed_range_takes_pixels_as_they_are():
    pixels = np.arange(256, dtype=np.float32) / np.float32(255)
    quantized = FixedRange(0.0, 1.0)(tf.constant(pixels), True, {}).numpy()
    # The pixel times 1/255 in float32, one rounding apart.
    np.testing.assert_allclose(quantized, pixels, atol=1e-7)


def test_a_fixed_range_rounds_and_clips():
    numbers = tf.constant([-1.0, 0.0, 3.0, 6.0, 9.0])
    quantized = FixedRange(0.0, 6.0)(numbers, False, {}).numpy()
    np.testing.assert_allclose(quantized, [0, 0, 3, 6, 6], atol=3 / 255 + 1e-6)
    assert quantized[1] == 0
