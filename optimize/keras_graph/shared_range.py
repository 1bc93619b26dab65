"""One range for several tensors, so that concatenating them only copies bytes."""

from corallite.optimize.keras_graph import quantizers
from corallite.train.framework.keras import keras, plain_python, tf


@keras.saving.register_keras_serializable(package="corallite")
class SharedRange(keras.layers.Layer):
    """Eight bits over one range for several tensors; called once for each of them.

    The range goes from the lowest to the highest of its members' moving ranges (see
    `MovingRange`).

    Args:
        num_members: How many tensors.
    """

    def __init__(self, num_members: int, **kwargs):
        super().__init__(**kwargs)
        self.num_members = num_members

    def build(self, input_shape):
        self.members = [
            quantizers.make_extremes(self, f"member{number}")
            for number in range(self.num_members)
        ]
        super().build(input_shape)

    @plain_python
    def call(self, inputs, member, training=False):
        """`member` is the number of the tensor, from 0."""
        if training:
            quantizers.follow_extremes(self.members[member], inputs)
        return quantizers.quantize_between(inputs, self._lowest(), self._highest())

    def limits(self) -> tuple[float, float]:
        """Returns the lowest and the highest value that the range holds."""
        return float(self._lowest()), float(self._highest())

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "num_members": self.num_members}

    @classmethod
    def from_config(cls, config):
        # Model files of version 0.1.0 say that the range is not trained.
        return cls(**{k: v for k, v in config.items() if k != "is_learned"})

    def _lowest(self):
        return tf.reduce_min(tf.stack([m["min"] for m in self.members]))

    def _highest(self):
        return tf.reduce_max(tf.stack([m["max"] for m in self.members]))
