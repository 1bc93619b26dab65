"""Folds batch norms into the convolutions before them.

Quantization-aware training then trains the same weights that the int8 file will have:
no running statistics change the ranges, and nothing scales a quantized kernel again.
"""

import numpy as np

from corallite.device.system.errors import RequestError
from corallite.optimize.keras_graph import traverse
from corallite.train.framework.keras import keras

# By exact type: a transposed convolution is a kind of Conv2D in Keras, not here.
CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def fold_batch_norms(model: keras.Model) -> keras.Model:
    """Returns a model without batch norms that computes what `model` infers.

    Kernels are scaled by gamma / sqrt(variance + epsilon) per output channel; a bias
    contains the offset. Zeros of a pruned kernel stay zeros.

    Raises:
        RequestError: A batch norm does not follow a convolution directly.
        ValueError: The model is not one flat functional graph.
    """
    kind = keras.layers.BatchNormalization
    found = [layer for layer in model.layers if isinstance(layer, kind)]
    norms = {id(_folding_target(layer)): layer for layer in found}

    def replace(layer):
        if isinstance(layer, kind):
            return None
        if id(layer) not in norms:
            return traverse.copy_layer(layer)
        copy = type(layer).from_config({**layer.get_config(), "use_bias": True})
        copy.build(layer.input_shape)
        copy.set_weights(_folded_weights(layer, norms[id(layer)]))
        return copy

    return traverse.rebuild(model, replace)


def _folding_target(norm):
    target = traverse.producer(norm)
    is_linear_convolution = (
        type(target) in CONVOLUTIONS and target.activation is keras.activations.linear
    )
    if not is_linear_convolution or len(traverse.consumers(target)) != 1:
        raise RequestError(
            f"Layer {norm.name!r} is a batch norm that cannot be quantized here: it "
            "must be the only reader of a convolution without activation, got "
            f"{target.name!r} before it; leave it to TensorFlow with `corallite "
            "convert --to=tflite_int8`."
        )
    return target


def _folded_weights(layer, norm):
    kernel, *bias = layer.get_weights()
    gamma, beta, mean, variance = _norm_weights(norm)
    scale = gamma / np.sqrt(variance + norm.epsilon)
    # A depthwise kernel is [height, width, channels, multiplier]: two axes to scale.
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    kernel = kernel * (scale.reshape(kernel.shape[2:]) if is_depthwise else scale)
    bias = bias[0] if bias else np.zeros_like(mean)
    return [kernel.astype(np.float32), beta + (bias - mean) * scale]


def _norm_weights(norm):
    mean, variance = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    gamma = norm.gamma.numpy() if norm.scale else np.ones_like(mean)
    beta = norm.beta.numpy() if norm.center else np.zeros_like(mean)
    return gamma, beta, mean, variance
