"""A slice of channels as a layer, because tfmot takes only layers."""

from corallite.train.framework.keras import keras, plain_python, tf


@keras.saving.register_keras_serializable(package="corallite")
class ChannelSlice(keras.layers.Layer):
    """Returns channels `start` to `stop` of `[batch, height, width, channels]`.

    `x[..., start:stop]` would do the same, but tfmot refuses the operator's layer
    (tensorflow/model-optimization issue 1062).
    """

    def __init__(self, start: int, stop: int, **kwargs):
        super().__init__(**kwargs)
        self.start = start
        self.stop = stop

    @plain_python
    def call(self, inputs, training=None):
        # The gradient of tf.slice is a pad, that of a strided slice a kernel that took
        # a fifth of a step. `is True`, because it may be a tensor elsewhere.
        if training is True:
            begin, size = (0, 0, 0, self.start), (-1, -1, -1, self.stop - self.start)
            return tf.slice(inputs, begin, size)
        return inputs[:, :, :, self.start : self.stop]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:3], self.stop - self.start)

    def get_config(self):
        return {**super().get_config(), "start": self.start, "stop": self.stop}
