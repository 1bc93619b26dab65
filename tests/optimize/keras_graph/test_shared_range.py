"""One range for several tensors."""

import numpy as np
import pytest

from corallite.optimize.keras_graph.shared_range import SharedRange
from corallite.train.framework.keras import tf


def measured(*numbers):
    """A range that has measured these numbers of each of its tensors."""
    layer = SharedRange(len(numbers))
    for member, row in enumerate(numbers):
        layer(tf.constant([row]), member=member, training=True)
    return layer


def test_a_measured_range_ends_at_the_extremes_of_all():
    layer = measured([-1.0, 2.0], [-3.0, 1.0])
    assert layer.limits() == (-3.0, 2.0)


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


def test_a_range_in_an_older_model_file_is_read():
    config = {"name": "shared_range0", "num_members": 2, "is_learned": False}
    assert SharedRange.from_config(config).get_config()["num_members"] == 2
