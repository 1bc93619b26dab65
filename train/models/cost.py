"""Counts the parameters and operations of a network."""

import math

from corallite.train.framework.keras import keras

# Python, TensorFlow and OpenCV with all that they have loaded.
_PROCESS_BYTES = 650 << 20


def count_parameters(model: keras.Model) -> int:
    """Returns the number of parameters as papers count them: without averages.

    Layers that are frozen count too, but for the normalization of pixels.
    """
    counted = (layer for layer in model.layers if layer.name != "normalize")
    return sum(
        math.prod(weight.shape)
        for layer in counted
        for weight in layer.weights
        if "/moving_" not in weight.name
    )


def count_macs(model: keras.Model) -> int:
    """Returns the multiply-accumulates of convolutions and dense layers for one image.

    Papers call them FLOPs or MAdds. Sums, pools and activations are not counted.
    """
    return sum(_layer_macs(layer) for layer in model.layers)


def estimate_training_bytes(model: keras.Model, batch_size: int) -> int:
    """Returns about the peak memory of a training on a CPU, of the whole process.

    The outputs of all layers are kept for the backward pass, in float32. Seven networks
    and batches took 0.87 to 1.06 times this (docs/results.md).
    """
    per_image = sum(math.prod(x.output_shape[1:]) for x in _with_one_output(model))
    return _PROCESS_BYTES + 4 * per_image * batch_size


def _with_one_output(model: keras.Model) -> list[keras.layers.Layer]:
    # An input's shape is in a list.
    return [layer for layer in model.layers if isinstance(layer.output_shape, tuple)]


def _layer_macs(layer) -> int:
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return math.prod(layer.output_shape[1:]) * math.prod(layer.kernel_size)
    if isinstance(layer, keras.layers.Conv2D):
        macs_per_output = math.prod(layer.kernel.shape[:3])
        return math.prod(layer.output_shape[1:]) * macs_per_output
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape)
    return 0
