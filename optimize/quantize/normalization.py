"""Folds the normalization of imported networks into the convolution that reads it.

Networks with weights trained on (pixel/255 - mean) / std begin with a 1x1 depthwise
convolution (see `corallite.train.models.blocks`). With three channels it leaves most of
a CPU's vectors empty: it took 15 % of ShuffleNetV2's time at 224 pixels. The first
convolution can compute

    w * (x - mean) / std  =  (w / std) * x  -  sum(w * mean / std)

everywhere but at the image's border. A zero of the padding, which is added after
normalization, is the mean colour before it. So that colour is added around the image.
"""

import numpy as np

from corallite.optimize.keras_graph import traverse
from corallite.optimize.keras_graph.borders import ColourBorder
from corallite.optimize.quantize.padding import read_padding
from corallite.train.framework.keras import keras


def fold_normalization(model: keras.Model) -> keras.Model:
    """Returns a model without `normalize`, or `model` itself if it has no such layer.

    It computes the same, except that the border's colour is rounded to one of 256.
    """
    found = _find(model)
    if found is None:
        return model
    normalize, padding, convolution = found
    scale, offset = _weights_of(normalize)
    rows, columns = read_padding(padding) if padding else _same_padding(convolution)
    name = f"{convolution.name}_border"
    border = ColourBorder(rows, columns, tuple(-offset / scale), name=name)

    def replace(layer):
        if layer is normalize:
            return border
        if layer is padding:
            return None
        is_reader = layer is convolution
        return _fold(layer, scale, offset) if is_reader else traverse.copy_layer(layer)

    return traverse.rebuild(model, replace)


def _find(model):
    """Returns normalization, padding (or None) and convolution, if they are these."""
    (image,) = (x for x in model.layers if isinstance(x, keras.layers.InputLayer))
    normalize = traverse.only_reader(image)
    if normalize is None or not _is_normalization(normalize):
        return None
    padding, reader = None, traverse.only_reader(normalize)
    if isinstance(reader, keras.layers.ZeroPadding2D):
        padding, reader = reader, traverse.only_reader(reader)
    if reader is None or type(reader) is not keras.layers.Conv2D:
        return None
    pads_twice = padding is not None and reader.padding == "same"
    return None if pads_twice or reader.groups != 1 else (normalize, padding, reader)


def _is_normalization(layer):
    """Returns whether `layer` only subtracts a colour and divides by another."""
    if type(layer) is not keras.layers.DepthwiseConv2D or layer.trainable:
        return False
    is_plain = layer.kernel_size == layer.strides == layer.dilation_rate == (1, 1)
    is_linear = layer.use_bias and layer.activation is keras.activations.linear
    if not is_plain or not is_linear or layer.depth_multiplier != 1:
        return False
    scale, offset = _weights_of(layer)
    return bool(np.all((scale > 0) & (offset <= 0) & (-offset <= scale)))


def _weights_of(normalize):
    kernel, bias = normalize.get_weights()
    return kernel.ravel(), bias


def _same_padding(convolution):
    if convolution.padding == "valid":
        return (0, 0), (0, 0)
    amounts = []
    for side, size, dilation, stride in zip(
        convolution.input_shape[1:3],
        convolution.kernel_size,
        convolution.dilation_rate,
        convolution.strides,
        strict=True,
    ):
        size = (size - 1) * dilation + 1
        total = max((-(-side // stride) - 1) * stride + size - side, 0)
        amounts.append((total // 2, total - total // 2))
    return tuple(amounts)


def _fold(convolution, scale, offset):
    config = {**convolution.get_config(), "padding": "valid", "use_bias": True}
    copy = type(convolution).from_config(config)
    copy.build(convolution.input_shape)
    kernel, *bias = convolution.get_weights()
    shift = np.einsum("hwio,i->o", kernel, offset)
    bias = bias[0] + shift if bias else shift
    copy.set_weights([kernel * scale[:, np.newaxis], bias])
    return copy
