"""Writes layers as those that Corallite prunes and quantizes, if they compute the same.

An activation becomes a layer of its own. What only changes images in training is left
out. A batch norm that cannot be folded into the convolution before it becomes a 1x1
depthwise convolution, or is folded into the dense layer behind it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from corallite.train.adopt.rebuild import Part, copy_layer, rebuild
from corallite.train.framework.keras import keras
from corallite.train.models.hard_swish import HardSwish

_LAYERS = keras.layers
_ONLY_TRAINING = (
    *(_LAYERS.RandomFlip, _LAYERS.RandomRotation, _LAYERS.RandomZoom),
    *(_LAYERS.RandomContrast, _LAYERS.RandomTranslation),
    *(_LAYERS.GaussianDropout, _LAYERS.GaussianNoise, _LAYERS.SpatialDropout2D),
)
_CONVOLUTIONS = (_LAYERS.Conv2D, _LAYERS.DepthwiseConv2D)
_BATCH = 32
# Activations that have a layer of their own.
_AS_LAYER = {
    "relu": lambda name: _LAYERS.ReLU(name=name),
    "relu6": lambda name: _LAYERS.ReLU(6.0, name=name),
    "softmax": lambda name: _LAYERS.Softmax(name=name),
    "hard_swish": lambda name: HardSwish(name=name),
}


def standardize(model: keras.Model) -> keras.Model:
    """Returns a flat model of standard layers that predicts the same.

    Layers that have no standard form stay as they are.

    Args:
        model: With one input and one output; it may contain models. Not changed.

    Raises:
        RequestError: A layer is used several times.
    """
    return _replace_norms(rebuild(model, _standardize))


def _standardize(layer: keras.layers.Layer) -> list[Part]:
    kind = type(layer)
    if kind in _ONLY_TRAINING:
        return []
    if kind is _LAYERS.Activation:
        return _to_activation(layer.activation, layer.name)
    if kind is _LAYERS.SeparableConv2D:
        return _split_separable(layer)
    if kind is _LAYERS.Reshape and len(layer.target_shape) == 1:
        return [(_LAYERS.Flatten(name=layer.name), [])]
    if kind in (*_CONVOLUTIONS, _LAYERS.Dense):
        activation = _to_activation(layer.activation, f"{layer.name}_activation")
        return [_without_activation(layer), *activation]
    if kind is _LAYERS.BatchNormalization:
        return _freeze(layer)
    return copy_layer(layer)


def _to_activation(activation: Callable[..., Any], name: str) -> list[Part]:
    known = keras.activations.serialize(activation)
    if known == "linear":
        return []
    if isinstance(known, str) and known in _AS_LAYER:
        return [(_AS_LAYER[known](name), [])]
    return [(_LAYERS.Activation(activation, name=name), [])]


def _without_activation(layer: keras.layers.Layer) -> Part:
    config = {**layer.get_config(), "activation": "linear"}
    return type(layer).from_config(config), layer.get_weights()


def _split_separable(layer: keras.layers.Layer) -> list[Part]:
    depthwise, pointwise, *bias = layer.get_weights()
    first = _LAYERS.DepthwiseConv2D(
        layer.kernel_size,
        layer.strides,
        padding=layer.padding,
        dilation_rate=layer.dilation_rate,
        depth_multiplier=layer.depth_multiplier,
        use_bias=False,
        name=f"{layer.name}_depthwise",
    )
    activation = _to_activation(layer.activation, f"{layer.name}_activation")
    second = _LAYERS.Conv2D(
        layer.filters,
        1,
        use_bias=layer.use_bias,
        name=layer.name,
    )
    parts: list[Part] = [(first, [depthwise]), (second, [pointwise, *bias])]
    return [*parts, *activation]


def _freeze(layer: keras.layers.Layer) -> list[Part]:
    """Returns the batch norm, which keeps its averages: they fit the weights."""
    copy = type(layer).from_config({**layer.get_config(), "trainable": False})
    weights = [layer.gamma] if layer.scale else []
    weights += [layer.beta] if layer.center else []
    weights += [layer.moving_mean, layer.moving_variance]
    return [(copy, [x.numpy() for x in weights])]


def _replace_norms(model: keras.Model) -> keras.Model:
    """Replaces each batch norm that `fold_batch_norms` could not fold."""
    norms = [x for x in model.layers if type(x) is _LAYERS.BatchNormalization]
    behind = {}  # Scale and offset by the name of the dense layer that takes them.
    for norm in norms:
        if not _is_foldable(norm) and len(norm.output.shape) == 2:
            dense = _find_dense(norm)
            if dense is not None:
                behind[dense.name] = norm

    def replace(layer: keras.layers.Layer) -> list[Part]:
        if layer.name in behind:
            return [_fold_before(layer, behind[layer.name])]
        if layer not in norms or _is_foldable(layer):
            return copy_layer(layer)
        if len(layer.output.shape) == 2:
            return [] if layer in behind.values() else copy_layer(layer)
        return _to_depthwise(layer)

    return rebuild(model, replace)


def _is_foldable(norm: keras.layers.Layer) -> bool:
    layer = norm.inbound_nodes[0].inbound_layers
    return (
        type(layer) in _CONVOLUTIONS
        and layer.activation is keras.activations.linear
        and len(layer.outbound_nodes) == 1
    )


def _find_dense(norm: keras.layers.Layer) -> keras.layers.Layer | None:
    """Returns the dense layer that alone reads a norm, perhaps after a dropout."""
    layer = norm
    while len(layer.outbound_nodes) == 1:
        layer = layer.outbound_nodes[0].outbound_layer
        if type(layer) is _LAYERS.Dense:
            return layer
        if type(layer) is not _LAYERS.Dropout:
            return None
    return None


def _read_norm(norm: keras.layers.Layer) -> tuple[np.ndarray, np.ndarray]:
    """Returns scale and offset of each channel."""
    mean, variance = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    scale = 1 / np.sqrt(variance + norm.epsilon)
    scale = scale * norm.gamma.numpy() if norm.scale else scale
    return scale, (norm.beta.numpy() if norm.center else 0) - mean * scale


def _fold_before(dense: keras.layers.Layer, norm: keras.layers.Layer) -> Part:
    scale, offset = _read_norm(norm)
    kernel, *bias = dense.get_weights()
    copy = _LAYERS.Dense.from_config({**dense.get_config(), "use_bias": True})
    shift = offset @ kernel
    return copy, [kernel * scale[:, np.newaxis], bias[0] + shift if bias else shift]


def _to_depthwise(norm: keras.layers.Layer) -> list[Part]:
    if len(norm.output.shape) != 4 or norm.axis not in ([3], [-1], 3, -1):
        return copy_layer(norm)
    scale, offset = _read_norm(norm)
    # Not trained, as a batch norm of pretrained weights is not.
    layer = _LAYERS.DepthwiseConv2D(1, name=norm.name, trainable=False)
    return [(layer, [scale.reshape(1, 1, -1, 1).astype(np.float32), offset])]


def predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns a model's outputs for float images, in batches that fit into memory."""
    outputs: np.ndarray = model.predict(images, batch_size=_BATCH, verbose=0)
    return outputs
