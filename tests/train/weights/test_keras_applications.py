"""keras.applications' MobileNetV2 and ours are one function on one file."""

from pathlib import Path

import numpy as np
import pytest

from corallite.device.errors import RequestError
from corallite.train.keras import keras
from corallite.train.models.mobilenet_v2 import mobilenet_v2
from corallite.train.weights import conventions
from corallite.train.weights.keras_applications import (
    import_mobilenet_v2,
    read_layers,
)


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
        conventions=conventions.KERAS_APPLICATIONS,
    )


@pytest.mark.slow
def test_answers_are_those_of_keras(tmp_path):
    published = theirs(classes=10)
    published.save_weights(tmp_path / "weights.h5")
    model = ours()
    import_mobilenet_v2(model, read_layers(tmp_path / "weights.h5"), Path("weights.h5"))
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
    import_mobilenet_v2(model, read_layers(tmp_path / "weights.h5"), Path("weights.h5"))
    np.testing.assert_array_equal(before[0], model.get_layer("logits").get_weights()[0])
    kernel = published.get_layer("block_5_expand").get_weights()[0]
    mine = model.get_layer("stage3_block2_expand").get_weights()[0]
    np.testing.assert_array_equal(mine, kernel)


def test_another_network_is_refused(tmp_path):
    other = keras.Sequential([keras.layers.Dense(3, input_shape=(4,), name="dense")])
    other.save_weights(tmp_path / "other.h5")
    layers = read_layers(tmp_path / "other.h5")
    with pytest.raises(RequestError, match=r"other\.h5 has no layer 'Conv1'"):
        import_mobilenet_v2(ours(), layers, Path("other.h5"))


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    with pytest.raises(RequestError, match="not a whole file of Keras weights"):
        read_layers(tmp_path / "weights.h5")
