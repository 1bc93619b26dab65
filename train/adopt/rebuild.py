"""Builds a flat functional model from a nested one, with other layers in place."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras, tf

# A layer that is not built yet, and its weights.
Part = tuple[keras.layers.Layer, Sequence[np.ndarray]]
Replace = Callable[[keras.layers.Layer], Sequence[Part]]
INPUT = "image"


def copy_layer(layer: keras.layers.Layer) -> list[Part]:
    """Returns a layer of the same settings, and its weights."""
    return [(type(layer).from_config(layer.get_config()), layer.get_weights())]


def rebuild(
    model: keras.Model,
    replace: Replace = copy_layer,
    *,
    before: Sequence[Part] = (),
    channels: int | None = None,
) -> keras.Model:
    """Returns a flat functional model with `replace(layer)` in place of each layer.

    Args:
        model: With one input and one output; it may contain models. Not changed.
        replace: Returns the layers that compute what a layer does, in order; none for
            a layer that is left out.
        before: Layers before all others.
        channels: Of the new model's input; by default those of `model`.

    Raises:
        RequestError: A layer is used several times.
    """
    walk = _Walk(replace)
    shape = (*model.input_shape[1:3], channels or model.input_shape[3])
    image = keras.Input(shape, name=INPUT)
    return keras.Model(image, walk.enter(model, walk.chain(image, before)))


class _Walk:
    def __init__(self, replace: Replace):
        self.replace = replace
        self.names = {INPUT}

    def enter(self, model: keras.Model, x: Any) -> Any:
        """Calls copies of a model's layers on `x`; returns the last output."""
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                x = self.call(layer, x)
            return x
        outputs = {id(model.input): x}
        for layer in model.layers:
            if isinstance(layer, keras.layers.InputLayer):
                continue
            node = self.find_use(layer, model)
            inputs = tf.nest.map_structure(lambda y: outputs[id(y)], node.keras_inputs)
            single = inputs[0] if len(inputs) == 1 else inputs
            outputs[id(node.outputs)] = self.call(layer, single)
        return outputs[id(model.output)]

    def find_use(self, layer: keras.layers.Layer, model: keras.Model) -> Any:
        """Returns the node by which a layer of a functional model is used in it."""
        # A nested model has a node of its own, from its construction.
        is_own = isinstance(layer, keras.Model) and len(layer.inbound_nodes) > 1
        nodes = layer.inbound_nodes[1:] if is_own else layer.inbound_nodes
        if len(nodes) != 1:
            raise RequestError(
                f"The layer {layer.name!r} is used {len(nodes)} times, and here every "
                "layer is used once; build the model with a copy of it for each use."
            )
        return nodes[0]

    def call(self, layer: keras.layers.Layer, x: Any) -> Any:
        if isinstance(layer, keras.Model):
            return self.enter(layer, x)
        return self.chain(x, self.replace(layer))

    def chain(self, x: Any, parts: Sequence[Part]) -> Any:
        for layer, weights in parts:
            layer._name = self.choose_name(layer.name)
            x = layer(x)
            if weights:
                layer.set_weights(weights)
                layer.finalize_state()  # `Normalization` computes with a copy.
        return x

    def choose_name(self, name: str) -> str:
        """Returns a name that no layer of the new model has."""
        chosen, number = name, 1
        while chosen in self.names:
            number += 1
            chosen = f"{name}_{number}"
        self.names.add(chosen)
        return chosen
