"""Hard-swish as a layer, because Keras 2 has none and tfmot takes only layers."""

from corallite.train.framework.keras import keras, tf


@keras.saving.register_keras_serializable(package="corallite")
class HardSwish(keras.layers.Layer):
    """Returns x * ReLU6(x + 3) / 6 of any tensor.

    MobileNetV3, section 5.2, arXiv:1905.02244. The converter writes this formula as one
    operator, HARD_SWISH, also between quantizers.
    """

    def call(self, inputs):
        return inputs * tf.nn.relu6(inputs + 3.0) * (1.0 / 6.0)

    def compute_output_shape(self, input_shape):
        return input_shape
