"""The logistic function as a layer, because what int8 does follows a layer's type."""

from corallite.train.framework.keras import keras, tf


@keras.saving.register_keras_serializable(package="corallite")
class Sigmoid(keras.layers.Layer):
    """Returns 1 / (1 + exp(-x)) of any tensor.

    In int8 it is one operator, LOGISTIC, whose output always has the scale 1/256.
    """

    def call(self, inputs):
        return tf.sigmoid(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape
