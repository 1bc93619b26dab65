"""Measures how much the loss depends on each channel of a network."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from corallite.optimize.keras_graph import traverse
from corallite.optimize.slim.trace_channels import Axis, Channels, Use
from corallite.train.framework.keras import keras, tf

Scores = np.ndarray[Any, np.dtype[np.float64]]


def measure_importance(
    model: keras.Model,
    channels: Channels,
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
) -> Scores:
    """Returns the importance of each atom: how much the loss changes without it.

    First-order Taylor expansion (Molchanov et al., 2019, arXiv:1906.10771, equation 8):
    the sum of weight times gradient over the weights that scale a channel, squared, in
    the mean of the batches. These are scale and shift of its batch norms, or its kernel
    and bias where no batch norm follows. All layers that make channels of an atom
    count.

    Args:
        model: The network; it is not changed.
        channels: Its channels.
        batches: Images float32 `[n, height, width, 3]` in 0 to 1 and labels one-hot
            `[n, classes]`.

    Returns:
        float64 `[atoms]`; 0 for atoms that nothing scales.
    """
    makers = [use for use in channels.uses if _scales(model.get_layer(use.layer), use)]
    weights = [_weights_of(model.get_layer(use.layer), use) for use in makers]
    compute = _build_gradients(model, [x for each in weights for x in each])
    total, count = np.zeros(channels.size), 0
    for images, labels in batches:
        gradients = iter(compute(tf.constant(images), tf.constant(labels)))
        changes = np.zeros(channels.size)
        for use, variables in zip(makers, weights, strict=True):
            for variable in variables:
                product = variable.numpy() * next(gradients).numpy()
                np.add.at(changes, use.atoms, _sum_by_channel(product, use.axis))
        total += changes**2
        count += 1
    return total / max(1, count)


def _build_gradients(model: keras.Model, variables: list) -> Any:
    loss = keras.losses.CategoricalCrossentropy()

    @tf.function
    def compute(images: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            # Frozen ones too.
            tape.watch(variables)
            value = loss(labels, model(images, training=False))
        return tape.gradient(value, variables, unconnected_gradients="zero")

    return compute


def _scales(layer: keras.layers.Layer, use: Use) -> bool:
    """Returns whether weights of `layer` scale its output, and no norm does later."""
    if use.axis is Axis.INPUT:
        return False
    norm = keras.layers.BatchNormalization
    readers = traverse.consumers(layer)
    return isinstance(layer, norm) or not any(isinstance(x, norm) for x in readers)


def _weights_of(layer: keras.layers.Layer, use: Use) -> list:
    if isinstance(layer, keras.layers.BatchNormalization):
        return [x for x in (layer.gamma, layer.beta) if x is not None]
    return list(layer.weights)


def _sum_by_channel(product: np.ndarray, axis: Axis) -> np.ndarray:
    """Returns the sum for each output channel: the last axis that has them."""
    if axis is Axis.CHANNEL and product.ndim == 4:  # A depthwise kernel.
        product = product[..., 0]
    return product.reshape(-1, product.shape[-1]).sum(axis=0)
