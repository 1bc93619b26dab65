"""Copies a flat functional model, and replaces some of its layers."""

from collections.abc import Callable

from corallite.train.framework.keras import keras, tf

Replace = Callable[[keras.layers.Layer], Callable | None]


def rebuild(
    model: keras.Model, replace: Replace, after_input: keras.layers.Layer | None = None
) -> keras.Model:
    """Returns a copy of `model` with `replace(layer)` in place of each layer.

    `replace` returns a new layer (or a function of tensors that calls new layers), or
    None to remove the layer: its input then replaces its output. The input layer is
    copied, and `after_input`, if given, follows it. New layers have the weights that
    `replace` gives them (see `copy_layer`).

    Raises:
        ValueError: The model is not one flat functional graph.
    """
    check_flat(model)
    copied = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            shape = layer.input_shape[0][1:]
            image = keras.Input(shape, name=layer.name)
            copied[id(layer.output)] = after_input(image) if after_input else image
            continue
        inputs = tf.nest.map_structure(lambda x: copied[id(x)], layer.input)
        new_layer = replace(layer)
        copied[id(layer.output)] = inputs if new_layer is None else new_layer(inputs)
    outputs = tf.nest.map_structure(lambda x: copied[id(x)], model.output)
    return keras.Model(image, outputs, name=model.name)


def copy_layer(layer: keras.layers.Layer, input_shape=None) -> keras.layers.Layer:
    """Returns a layer of the same settings, and the same weights if it has any.

    `input_shape` is needed for a layer outside a graph, such as one in a wrapper.
    """
    copy = type(layer).from_config(layer.get_config())
    if layer.weights:
        copy.build(input_shape or layer.input_shape)
        copy.set_weights(layer.get_weights())
    return copy


def check_flat(model: keras.Model) -> None:
    """Raises `ValueError` unless every layer is used once and none is a model."""
    inputs = tf.nest.flatten(model.input)
    if len(inputs) != 1 or isinstance(model, keras.Sequential):
        raise ValueError(
            "Expected `model` to be functional with one input, got "
            f"{model.name!r}, a {type(model).__name__} with {len(inputs)}."
        )
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            raise ValueError(
                f"Expected `model` to be flat, got the nested model {layer.name!r}; "
                "add its layers to one functional graph."
            )
        if len(layer.inbound_nodes) != 1:
            raise ValueError(
                f"Expected every layer to be used once, got {layer.name!r} used "
                f"{len(layer.inbound_nodes)} times."
            )


def consumers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns the layers that read the output of `layer`."""
    return [node.outbound_layer for node in layer.outbound_nodes]


def only_reader(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """Returns the layer that reads the output of `layer`; None if there are several."""
    readers = consumers(layer)
    return readers[0] if len(readers) == 1 else None


def producer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Returns the layer whose output is the single input of `layer`."""
    (single,) = producers(layer)
    return single


def producers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns the layers whose outputs `layer` reads."""
    return tf.nest.flatten(layer.inbound_nodes[0].inbound_layers)
