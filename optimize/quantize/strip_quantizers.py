"""Removes the quantizers from a quantization-aware model."""

from corallite.optimize.keras_graph import traverse
from corallite.optimize.keras_graph.layer_quantization import PREFIX, QuantizeWrapper
from corallite.optimize.keras_graph.shared_range import SharedRange
from corallite.optimize.prune.sparsity import kernels_of
from corallite.train.framework.keras import keras, tf


def strip_quantizers(model: keras.Model) -> keras.Model:
    """Returns the float model inside a quantization-aware one.

    It has the weights of `model` before rounding, with batch norms and normalization
    folded, and the original names of layers. If `model` was not trained since
    `quantize` made it, the result computes the same as the argument of `quantize`.
    """
    passed = _passed_on(model)
    copied = {}
    for layer in model.layers:
        if isinstance(layer, SharedRange):
            continue
        if isinstance(layer, keras.layers.InputLayer):
            image = keras.Input(layer.input_shape[0][1:], name=layer.name)
            copied[id(layer.output)] = image
            continue
        inputs = tf.nest.map_structure(
            lambda x: copied[id(passed.get(id(x), x))], layer.input
        )
        copied[id(layer.output)] = _float_copy(layer)(inputs)
    outputs = tf.nest.map_structure(lambda x: copied[id(x)], model.output)
    return keras.Model(image, outputs, name=model.name)


def _passed_on(model):
    """Returns the input of each shared range by its output."""
    passed = {}
    for layer in model.layers:
        if isinstance(layer, SharedRange):
            for index in range(len(layer.inbound_nodes)):
                passed[id(layer.get_output_at(index))] = layer.get_input_at(index)
    return passed


def _float_copy(layer):
    if not isinstance(layer, QuantizeWrapper):
        return traverse.copy_layer(layer)
    inner = layer.layer
    if layer.name == f"{PREFIX}pixels":
        return lambda pixels: pixels
    copy = type(inner).from_config(inner.get_config())
    copy.build(layer.input_shape)
    kernels = kernels_of(layer)
    if kernels:
        masks = [w for w in layer.weights if w.name.endswith("_mask:0")]
        # The wrapper has removed the kernel from its layer, but not a bias.
        rest = [weight.numpy() for weight in inner.weights]
        copy.set_weights([kernels[0].numpy() * masks[0].numpy(), *rest])
    return copy
