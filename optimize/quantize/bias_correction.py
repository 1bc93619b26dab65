"""Corrects the mean error of each layer's rounded kernel in its bias.

A rounded kernel has a similar error for every image: the mean output of a channel is
shifted, and its bias can correct that (Nagel et al., 2019, "Data-Free Quantization
Through Weight Equalization and Bias Correction", arXiv:1906.04721, section 4.2). The
mean input is measured here, not derived from batch norms. It needs no training, and no
operation in the int8 file.
"""

import numpy as np

from corallite.optimize.keras_graph import traverse
from corallite.optimize.keras_graph.layer_quantization import QuantizeWrapper
from corallite.optimize.prune.sparsity import kernels_of
from corallite.optimize.quantize.strip_quantizers import strip_quantizers
from corallite.train.framework.keras import keras, tf

_BATCH = 50


def correct_biases(quantized: keras.Model, images: np.ndarray) -> None:
    """Corrects the biases of `quantized`, whose ranges have been measured.

    Args:
        quantized: Made by `quantize`, and not trained. Layers without bias are not
            changed.
        images: The images of the ranges, float32 `[n, height, width, 3]`, pixel/255.
    """
    stripped = strip_quantizers(quantized)
    wrappers = [x for x in quantized.layers if _can_be_corrected(x)]
    layers = [stripped.get_layer(wrapper.layer.name) for wrapper in wrappers]
    inputs = keras.Model(stripped.input, [layer.input for layer in layers])
    # Only the kernels are rounded: a clipped output is not an error of the kernel.
    rounded = [
        _with_rounded_kernel(*pair) for pair in zip(wrappers, layers, strict=True)
    ]

    @tf.function(reduce_retracing=True)
    def shifts(batch):
        return [
            tf.reduce_mean(layer(x) - other(x), axis=list(range(len(x.shape) - 1)))
            for layer, other, x in zip(
                layers, rounded, tf.nest.flatten(inputs(batch)), strict=True
            )
        ]

    batches = [images[i : i + _BATCH] for i in range(0, len(images), _BATCH)]
    weights = [len(batch) / len(images) for batch in batches]
    sums = [
        [s.numpy() * w for s in shifts(b)]
        for b, w in zip(batches, weights, strict=True)
    ]
    for wrapper, shift in zip(wrappers, zip(*sums, strict=True), strict=True):
        wrapper.layer.bias.assign_add(sum(shift))


def _can_be_corrected(layer):
    if not isinstance(layer, QuantizeWrapper) or not kernels_of(layer):
        return False
    return getattr(layer.layer, "bias", None) is not None


def _with_rounded_kernel(wrapper, layer):
    copy = traverse.copy_layer(layer)
    (kernel, quantizer, variables), *_ = wrapper._weight_vars
    rounded = quantizer(kernel, False, variables)
    copy.set_weights([rounded.numpy(), *layer.get_weights()[1:]])
    return copy
