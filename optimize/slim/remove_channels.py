"""Builds a network again without some of its channels."""

from typing import Any

import numpy as np

from corallite.optimize.keras_graph import traverse
from corallite.optimize.slim.trace_channels import Axis, Channels
from corallite.train.framework.keras import keras
from corallite.train.models.channel_slice import ChannelSlice

Kept = np.ndarray[Any, np.dtype[np.bool_]]


def remove_channels(model: keras.Model, channels: Channels, kept: Kept) -> keras.Model:
    """Returns a network with the remaining channels and their weights.

    Its output is that of `mask_channels`, up to rounding.

    Args:
        model: The network.
        channels: Its channels.
        kept: bool `[atoms]`, which ones stay: at least one of each group.

    Raises:
        ValueError: A layer would have no channel left.
    """
    rows = _find_rows(channels, kept)

    def replace(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        count = int(kept[channels.outputs[layer.name]].sum())
        if not count:
            raise ValueError(f"Expected channels to stay in {layer.name!r}, got none.")
        if isinstance(layer, ChannelSlice):
            before = channels.outputs[traverse.producer(layer).name][: layer.start]
            start = int(kept[before].sum())
            config |= {"start": start, "stop": start + count}
        for key in ("filters", "units"):
            if key in config:
                config[key] = count
        copy = type(layer).from_config(config)
        if layer.weights:
            source = kept[channels.outputs[traverse.producer(layer).name]]
            copy.build((*layer.input_shape[:-1], int(source.sum())))
            copy.set_weights(_take_weights(layer, rows))
        return copy

    return traverse.rebuild(model, replace)


def mask_channels(model: keras.Model, channels: Channels, kept: Kept) -> keras.Model:
    """Returns a copy of a network in which nothing reads the removed channels."""
    masked = mask_weights(model, channels, kept)

    def replace(layer: keras.layers.Layer) -> keras.layers.Layer:
        copy = traverse.copy_layer(layer)
        if layer.name in masked:
            copy.set_weights(masked[layer.name])
        return copy

    return traverse.rebuild(model, replace)


def mask_weights(
    model: keras.Model, channels: Channels, kept: Kept
) -> dict[str, list[np.ndarray]]:
    """Returns weights with which no layer reads the removed channels.

    They are those of the layers that read some, by the layer's name.
    """
    masked = {}
    for use in channels.uses:
        if use.axis is Axis.INPUT and not kept[use.atoms].all():
            kernel, *others = model.get_layer(use.layer).get_weights()
            kernel[..., ~kept[use.atoms], :] = 0
            masked[use.layer] = [kernel, *others]
    return masked


def _find_rows(channels: Channels, kept: Kept) -> dict[tuple[str, Axis], Any]:
    """Returns the entries of each axis that stay."""
    return {
        (use.layer, use.axis): np.flatnonzero(kept[use.atoms]) for use in channels.uses
    }


def _take_weights(
    layer: keras.layers.Layer, rows: dict[tuple[str, Axis], Any]
) -> list[np.ndarray]:
    """Returns the remaining weights of a layer."""
    channel = rows.get((layer.name, Axis.CHANNEL))
    if channel is not None:
        # A depthwise kernel is [height, width, channels, 1]; all else is [channels].
        return [
            np.take(weight, channel, axis=2 if weight.ndim == 4 else 0)
            for weight in layer.get_weights()
        ]
    kernel, *bias = layer.get_weights()
    inputs, outputs = (rows[layer.name, axis] for axis in (Axis.INPUT, Axis.OUTPUT))
    kernel = np.take(np.take(kernel, inputs, axis=-2), outputs, axis=-1)
    return [kernel, *(np.take(vector, outputs) for vector in bias)]
