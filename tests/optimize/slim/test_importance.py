"""The importance of a channel is how much the loss changes if it is made weaker."""

import numpy as np
import pytest

from corallite.optimize.slim.importance import measure_importance
from corallite.optimize.slim.trace_channels import trace_channels
from corallite.train.framework.keras import keras

layers = keras.layers
CLASSES = 3


def build():
    """Returns a sum of two branches, one of which has no batch norm."""
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, use_bias=False, name="stem")(image)
    x = layers.BatchNormalization(name="stem_norm")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.ReLU()(x)
    x = layers.Add()([layers.Conv2D(4, 1, name="bare")(x), x])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x))


@pytest.fixture
def batches():
    rng = np.random.default_rng(0)
    labels = np.eye(CLASSES, dtype=np.float32)
    return [
        (rng.random((8, 6, 6, 3), np.float32), labels[rng.integers(0, CLASSES, 8)])
        for _ in range(2)
    ]


def weaken(model, atom, channels, share):
    """Scales what makes a channel: batch norms, and layers without one behind them."""
    changed = keras.models.clone_model(model)
    changed.set_weights(model.get_weights())
    for use in channels.uses:
        if use.axis.value == "input" or use.layer == "stem":
            continue
        mine = np.flatnonzero(use.atoms == atom)
        layer = changed.get_layer(use.layer)
        weights: list[np.ndarray] = []
        for weight in layer.get_weights():
            axis = 2 if use.layer == "depthwise" and weight.ndim == 4 else -1
            scale = np.ones(weight.shape[axis])
            is_average = len(weights) >= 2 and use.layer == "stem_norm"
            scale[mine] = 1.0 if is_average else 1 - share
            shape = [1] * weight.ndim
            shape[axis] = -1
            weights.append(weight * scale.reshape(shape))
        layer.set_weights(weights)
    return changed


def loss_of(model, batch):
    images, labels = batch
    predicted = model(images).numpy().astype(np.float64)
    return -np.mean(np.sum(labels * np.log(predicted), axis=-1))


def test_importance_is_the_squared_change_of_the_loss(batches):
    model = build()
    channels = trace_channels(model)
    importance = measure_importance(model, channels, batches)
    share = 1e-2
    for group in channels.groups:
        for atom in group.atoms:
            changes = [
                (
                    loss_of(weaken(model, atom, channels, -share), batch)
                    - loss_of(weaken(model, atom, channels, share), batch)
                )
                / (2 * share)
                for batch in batches
            ]
            expected = np.mean(np.square(changes))
            # Central differences of float32 losses: a thousandth of the largest.
            tolerance = 1e-3 * importance.max()
            assert importance[atom] == pytest.approx(expected, abs=tolerance, rel=2e-2)
    assert importance.max() > 0


def test_a_channel_that_is_zero_has_no_importance(batches):
    model = build()
    for name in ("stem_norm", "depthwise", "bare"):
        layer = model.get_layer(name)
        weights = layer.get_weights()
        for weight in weights[:2]:
            is_depthwise = name == "depthwise" and weight.ndim == 4
            weight[(..., 1, slice(None)) if is_depthwise else (..., 1)] = 0
        layer.set_weights(weights)
    channels = trace_channels(model)
    (group,) = channels.groups
    importance = measure_importance(model, channels, batches)[group.atoms]
    assert importance[1] == 0
    assert min(importance[[0, 2, 3]]) > 0
