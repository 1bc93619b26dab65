"""Turns zero padding into concatenations, which cost little time in an int8 file.

Weights from PyTorch expect a pixel of zeros on each side of an image, where stride 2
and Keras's "same" padding put one after an even side and none before. The converter
writes that as PAD. Latency of ShuffleNetV2 1.0x at 224 pixels (x86, one thread, medians
of 100 interleaved rounds), relative to the network without padding:

    PAD everywhere                                          1.13
    the same, zeros concatenated before the max pool        1.01
    zeros concatenated everywhere, as is done here          1.04
    PAD, but a 4x4 kernel and "same" in the stem            1.20
    PAD, but the same in the depthwise convolutions         1.20

A 4x4 kernel whose last row and column are zeros needs no padding at an even side. The
second and third variants are faster than PAD; the third needs no operator that the
device does not run already.
"""

from corallite.optimize.keras_graph import traverse
from corallite.optimize.keras_graph.borders import ZeroBorder
from corallite.train.framework.keras import keras

_READERS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.MaxPool2D)


def replace_padding(model: keras.Model) -> keras.Model:
    """Returns a model with `ZeroBorder` for `ZeroPadding2D` that computes the same.

    Without padding that is `model` itself. Zeros that no kernel reads are left out:
    after an even side, a kernel of 3 pixels and stride 2 reads none.
    """
    if not any(isinstance(x, keras.layers.ZeroPadding2D) for x in model.layers):
        return model

    def replace(layer):
        if not isinstance(layer, keras.layers.ZeroPadding2D):
            return traverse.copy_layer(layer)
        rows, columns = read_padding(layer)
        return ZeroBorder(rows, columns, name=layer.name)

    return traverse.rebuild(model, replace)


def read_padding(layer: keras.layers.ZeroPadding2D):
    """Returns how much of each side's padding is read: (rows, columns)."""
    reader = traverse.only_reader(layer)
    if not isinstance(reader, _READERS) or reader.padding != "valid":
        return layer.padding
    sizes = getattr(reader, "kernel_size", None) or reader.pool_size
    dilations = getattr(reader, "dilation_rate", (1, 1))
    return tuple(
        _read_on_axis(before, after, side, (size - 1) * dilation + 1, stride)
        for (before, after), side, size, dilation, stride in zip(
            layer.padding,
            layer.input_shape[1:3],
            sizes,
            dilations,
            reader.strides,
            strict=True,
        )
    )


def _read_on_axis(before, after, side, size, stride):
    last = (before + side + after - size) // stride * stride + size
    return before, min(max(last - before - side, 0), after)
