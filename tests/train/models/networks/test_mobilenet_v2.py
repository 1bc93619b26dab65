"""keras.applications' MobileNetV2 and ours are one function on one file."""

import numpy as np
import pytest

from corallite.train.framework.keras import keras
from corallite.train.models.networks.mobilenet_v2 import (
    KERAS_APPLICATIONS,
    mobilenet_v2,
)
from corallite.train.weights.pretrained import read_pretrained


def theirs(**settings):
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(
        (128, 128, 3), alpha=0.35, weights=None, **settings
    )
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            scale, variance = (rng.uniform(0.5, 1.5, shape) for _ in range(2))
            offset, mean = (rng.normal(0.3, 0.3, shape) for _ in range(2))
            layer.set_weights([scale, offset, mean, variance])
    return model


def ours(num_classes=10):
    return mobilenet_v2(
        (128, 128, 3),
        num_classes,
        width=0.35,
        conventions=KERAS_APPLICATIONS,
    )


def give(path, model):
    read_pretrained(path, "mobilenet_v2", 0.35).give_to(model)


@pytest.mark.slow
def test_answers_are_those_of_keras(tmp_path):
    published = theirs(classes=10)
    published.save_weights(tmp_path / "weights.h5")
    model = ours()
    give(tmp_path / "weights.h5", model)
    images = np.random.default_rng(1).random((2, 128, 128, 3), np.float32)
    expected = published(2 * images - 1).numpy()
    assert expected.std() > 1e-3
    # The sums are the same but for their order: float32 keeps 7 digits of each.
    np.testing.assert_allclose(model(images).numpy(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_file_without_top_leaves_the_logits_alone(tmp_path):
    published = theirs(include_top=False)
    published.save_weights(tmp_path / "weights.h5")
    model = ours(num_classes=3)
    before = model.get_layer("logits").get_weights()
    give(tmp_path / "weights.h5", model)
    np.testing.assert_array_equal(before[0], model.get_layer("logits").get_weights()[0])
    kernel = published.get_layer("block_5_expand").get_weights()[0]
    mine = model.get_layer("stage3_block2_expand").get_weights()[0]
    np.testing.assert_array_equal(mine, kernel)
