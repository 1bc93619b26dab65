"""Layers that add pixels to the sides of an image by concatenation.

The Edge TPU takes a concatenation with a constant if it has two inputs and the
constant is zero ("Supported operations" in Coral's documentation), so one side is
added at a time.
"""

from corallite.train.framework.keras import keras, tf

# The range of a zero kernel; its bias of 0 to 1 then fits into int32 (`quantizers`).
_KERNEL_RANGE = 2.0**-10


@keras.saving.register_keras_serializable(package="corallite")
class ZeroBorder(keras.layers.Layer):
    """Adds zeros to the sides of `[batch, height, width, channels]`.

    Args:
        rows: How many above and below.
        columns: How many on the left and on the right.
    """

    def __init__(self, rows: tuple[int, int], columns: tuple[int, int], **kwargs):
        super().__init__(**kwargs)
        self.rows = tuple(rows)
        self.columns = tuple(columns)

    def call(self, inputs):
        x = inputs
        for axis, (before, after) in ((1, self.rows), (2, self.columns)):
            if before:
                x = tf.concat([self.paint(_edge(x, axis, before)), x], axis)
            if after:
                x = tf.concat([x, self.paint(_edge(x, axis, after))], axis)
        return x

    def paint(self, edge):
        """Returns the pixels to add, in the shape of `edge`."""
        # With a static shape, TensorFlow makes this a constant.
        return tf.zeros_like(edge)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, height + sum(self.rows), width + sum(self.columns), channels)

    def get_config(self):
        return {**super().get_config(), "rows": self.rows, "columns": self.columns}


@keras.saving.register_keras_serializable(package="corallite")
class ColourBorder(ZeroBorder):
    """Adds pixels of one colour to the sides of an image.

    Args:
        rows: How many above and below.
        columns: How many on the left and on the right.
        colour: Red, green and blue, from 0 to 1.

    The pixels are computed although they never change: rows of the image by a
    convolution whose kernel is zero and whose bias is the colour. The Edge TPU
    concatenates no constants but zeros.
    """

    def __init__(self, rows, columns, colour: tuple[float, ...], **kwargs):
        super().__init__(rows, columns, **kwargs)
        self.colour = tuple(colour)

    def paint(self, edge):
        kernel = tf.quantization.fake_quant_with_min_max_args(
            tf.zeros((1, 1, len(self.colour), 1)),
            -_KERNEL_RANGE,
            _KERNEL_RANGE,
            narrow_range=True,
        )
        pixels = tf.nn.depthwise_conv2d(edge, kernel, (1, 1, 1, 1), "VALID")
        pixels = tf.nn.bias_add(pixels, tf.constant(self.colour))
        return tf.quantization.fake_quant_with_min_max_args(pixels, 0.0, 1.0)

    def get_config(self):
        return {**super().get_config(), "colour": self.colour}


def _edge(x, axis, count):
    return x[:, :count] if axis == 1 else x[:, :, :count]
