"""The end of an adopted network: probabilities of the run's classes, in their order."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from corallite.device.system.errors import RequestError
from corallite.train.adopt.rebuild import Part, copy_layer, rebuild
from corallite.train.framework.keras import keras

_LOGITS, _PROBABILITIES = "logits", "probabilities"
_SIGMOID, _LINEAR = "sigmoid", "linear"
# Between the layer that computes the logits and the end, these keep the channels.
_PASSING = (
    *(keras.layers.Flatten, keras.layers.Dropout, keras.layers.Softmax),
    *(keras.layers.GlobalAveragePooling2D, keras.layers.Activation),
)
_UNCHANGING = (keras.layers.Flatten, keras.layers.Reshape, keras.layers.Dropout)
_REMEDY = "end the model with Dense(classes, activation='softmax')"


def complete_head(model: keras.Model) -> tuple[keras.Model, str]:
    """Returns a model that ends in probabilities of two or more classes.

    A softmax is added behind logits. One logit or one sigmoid z, of the second of two
    classes, becomes the softmax of 0 and z, which is the same function.

    Args:
        model: Flat, see `standardize`.

    Returns:
        The model, and what was added, as a sentence; "" for nothing.

    Raises:
        RequestError: It does not end in logits, a softmax or one sigmoid.
    """
    if len(model.output_shape) != 2:
        raise RequestError(
            f"The model gives {list(model.output_shape[1:])}, and a classifier gives "
            f"one number per class; {_REMEDY}."
        )
    logits, activation = _find_logits(model), _name_activation(model)
    if model.output_shape[-1] == 1:
        if activation not in (_SIGMOID, _LINEAR):
            raise RequestError(
                f"The model gives one number, its {activation}; {_REMEDY}."
            )
        note = "Its one output became two, of which the second is what it was."
        return _write_head(model, logits, _add_zeros), note
    if activation not in (_LINEAR, "softmax"):
        raise RequestError(
            f"The model ends in {activation}, whose outputs do not add up to 1: it may "
            f"give several labels, and a run has one per photo; {_REMEDY}."
        )
    note = "A softmax was added behind its logits." if activation == _LINEAR else ""
    return _write_head(model, logits, lambda x: x), note


def choose_outputs(model: keras.Model, columns: Sequence[int]) -> keras.Model:
    """Returns a model with these outputs of what `complete_head` returned, in order.

    The probabilities of the outputs that are left add up to 1.
    """
    logits = model.get_layer(_LOGITS)
    return _write_head(model, logits, lambda x: x[..., list(columns)])


def _add_zeros(values: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros_like(values), values], axis=-1)


def _write_head(
    model: keras.Model,
    logits: keras.layers.Layer,
    change: Callable[[np.ndarray], np.ndarray],
) -> keras.Model:
    """Changes the last axis of the weights of `logits`; ends in one softmax."""
    weights = [change(x) for x in logits.get_weights()]
    size = weights[0].shape[-1]
    field = "units" if isinstance(logits, keras.layers.Dense) else "filters"

    after = set(map(id, _list_after(model, logits)))

    def replace(layer: keras.layers.Layer) -> list[Part]:
        if layer is logits:
            changed = {field: size, "activation": _LINEAR, "name": _LOGITS}
            config = {**layer.get_config(), **changed}
            return [(type(layer).from_config(config), weights)]
        ends = (keras.layers.Softmax, keras.layers.Activation)
        return [] if id(layer) in after and type(layer) in ends else copy_layer(layer)

    body = rebuild(model, replace)
    softmax = keras.layers.Softmax(name=_PROBABILITIES)
    return keras.Model(body.input, softmax(body.output))


def _find_logits(model: keras.Model) -> keras.layers.Layer:
    """Returns the dense layer or convolution whose channels are the classes."""
    layer = model.output.node.layer
    while type(layer) in _PASSING:
        size = layer.input_shape[-1] if isinstance(layer.input_shape, tuple) else 0
        if size != model.output_shape[-1]:
            break
        layer = layer.inbound_nodes[0].inbound_layers
    is_dense = type(layer) in (keras.layers.Dense, keras.layers.Conv2D)
    if (
        not is_dense
        or len(layer.outbound_nodes) > 1
        or layer.output_shape[-1] != model.output_shape[-1]
    ):
        raise RequestError(
            f"The layer {layer.name!r} ({type(layer).__name__}) gives the model's "
            f"outputs, which must come from a dense layer; {_REMEDY}."
        )
    return layer


def _list_after(
    model: keras.Model, logits: keras.layers.Layer
) -> Iterator[keras.layers.Layer]:
    """Yields the layers from the output back to `logits`, which is left out."""
    layer = model.output.node.layer
    while layer is not logits:
        yield layer
        layer = layer.inbound_nodes[0].inbound_layers


def _name_activation(model: keras.Model) -> str:
    """Returns the name of the function that a model ends with."""
    layer = model.output.node.layer
    # What changes no number may follow it.
    while type(layer) in _UNCHANGING:
        layer = layer.inbound_nodes[0].inbound_layers
    if type(layer) is keras.layers.Softmax:
        return "softmax"
    activation = getattr(layer, "activation", keras.activations.linear)
    known = keras.activations.serialize(activation)
    return known if isinstance(known, str) else "another function"
