"""One range for several tensors, and which tensors those are."""

import numpy as np
import pytest

from corallite.optimize.quantize.shared_range import SharedRange, find_joined
from corallite.train.framework.keras import keras, tf
from corallite.train.models.channel_slice import ChannelSlice


def measured(*numbers, is_learned=False):
    """A range that has measured these numbers of each of its tensors."""
    layer = SharedRange(len(numbers), is_learned)
    layer.is_measuring = True
    for member, row in enumerate(numbers):
        layer(tf.constant([row]), member=member, training=True)
    layer.settle()
    return layer


def test_a_measured_range_ends_at_the_extremes_of_all():
    layer = measured([-1.0, 2.0], [-3.0, 1.0])
    assert layer.limits() == (-3.0, 2.0)


def test_a_learned_range_begins_at_what_was_measured_and_ends_at_its_weight():
    layer = measured([0.0, 2.0], [0.0, 5.0], is_learned=True)
    assert layer.limits() == (0.0, 5.0)
    layer.limit.assign(4.0)
    assert layer.limits() == (0.0, 4.0)
    # The limits are what the range holds: all above is cut off.
    assert layer(tf.constant([[9.0]]), member=0).numpy() == pytest.approx(4.0)


def test_measuring_moves_the_range_of_one_tensor_alone():
    layer = measured([0.0, 2.0], [0.0, 1.0])
    layer(tf.constant([[0.0, 3.0]]), member=1, training=True)
    # The second's extremes are the mean of two batches: 1 and 3.
    assert layer.limits() == (0.0, 2.0)
    layer(tf.constant([[0.0, 5.0]]), member=1, training=True)
    assert layer.limits() == pytest.approx((0.0, 3.0))


def test_without_training_nothing_moves():
    layer = measured([0.0, 2.0], [0.0, 1.0])
    answers = layer(tf.constant([[9.0]]), member=1)
    assert layer.limits() == (0.0, 2.0)
    np.testing.assert_allclose(answers, [[2.0]], rtol=1e-6)


def names(groups):
    return sorted(sorted(layer.name for layer in group) for group in groups)


def relu(x, name):
    return keras.layers.ReLU(name=name)(x)


def test_tensors_that_meet_a_third_have_its_range():
    image = keras.Input((4, 4, 2))
    a, b, c, d, e = (relu(image, name) for name in "abcde")
    join = keras.layers.Concatenate
    first, second, apart = join()([a, b]), join()([b, c]), join()([d, e])
    model = keras.Model(image, keras.layers.Add()([first, second, apart]))
    assert names(find_joined(model, ())) == [["a", "b", "c"], ["d", "e"]]


def test_what_only_moves_values_is_looked_through():
    image = keras.Input((4, 4, 2))
    a, b, c = (relu(image, name) for name in "abc")
    inner = keras.layers.Concatenate()([ChannelSlice(0, 1)(a), b])
    model = keras.Model(image, keras.layers.Concatenate()([inner, c]))
    movers = (ChannelSlice, keras.layers.Concatenate)
    assert names(find_joined(model, movers)) == [["a", "b", "c"]]
