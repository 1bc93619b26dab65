"""Counts the parameters and operations of a network."""

import math

from corallite.train.framework.keras import keras


def count_parameters(model: keras.Model) -> int:
    """Returns the number of trainable parameters, as papers count them."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def count_macs(model: keras.Model) -> int:
    """Returns the multiply-accumulates of convolutions and dense layers for one image.

    Papers call them FLOPs or MAdds. Sums, pools and activations are not counted.
    """
    return sum(_layer_macs(layer) for layer in model.layers)


def _layer_macs(layer) -> int:
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return math.prod(layer.output_shape[1:]) * math.prod(layer.kernel_size)
    if isinstance(layer, keras.layers.Conv2D):
        macs_per_output = math.prod(layer.kernel.shape[:3])
        return math.prod(layer.output_shape[1:]) * macs_per_output
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape)
    return 0
