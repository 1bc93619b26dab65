"""One range for all tensors that meet in concatenations, so that joining them is free.

An int8 concatenation copies bytes, which is right only if all that it joins has one
scale. Where the converter finds several it puts a requantization behind each tensor,
or clips. The tensors of a ShuffleNetV2 stage meet two by two in some unit or other,
so that all of them need the same range.
"""

from corallite.optimize.keras_graph import traverse
from corallite.optimize.quantize.quantizers import (
    follow_extremes,
    make_extremes,
    quantize_between,
    quantize_to_limit,
)
from corallite.train.framework.keras import keras, plain_python, tf


@keras.saving.register_keras_serializable(package="corallite")
class SharedRange(keras.layers.Layer):
    """Eight bits over one range for several tensors; called once for each of them.

    The range goes from the lowest to the highest of its members' moving ranges (see
    `MovingRange`). A learned one goes from 0 to a weight, which begins at the highest
    and is trained (see `quantize_to_limit`).

    Args:
        num_members: How many tensors.
        is_learned: Train the range; no tensor may then be below 0.
    """

    def __init__(self, num_members: int, is_learned: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.num_members = num_members
        self.is_learned = is_learned
        self.is_measuring = False

    def build(self, input_shape):
        self.members = [
            make_extremes(self, f"member{number}") for number in range(self.num_members)
        ]
        if self.is_learned:
            self.limit = self.add_weight("limit", shape=(), initializer="ones")
        super().build(input_shape)

    @plain_python
    def call(self, inputs, member, training=False):
        """`member` is the number of the tensor, from 0."""
        if self.is_learned and not self.is_measuring:
            if training:
                return quantize_to_limit(inputs, self.limit)
            return quantize_between(inputs, 0.0, self.limit)
        if training:
            follow_extremes(self.members[member], inputs)
        return quantize_between(inputs, self._lowest(), self._highest())

    def settle(self):
        """Ends the measuring: a learned range begins at what was measured."""
        self.is_measuring = False
        if self.is_learned:
            self.limit.assign(self._highest())

    def limits(self) -> tuple[float, float]:
        """Returns the lowest and the highest value that the range holds."""
        if self.is_learned:
            return 0.0, float(self.limit)
        return float(self._lowest()), float(self._highest())

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_members": self.num_members,
            "is_learned": self.is_learned,
        }

    def _lowest(self):
        return tf.reduce_min(tf.stack([m["min"] for m in self.members]))

    def _highest(self):
        return tf.reduce_max(tf.stack([m["max"] for m in self.members]))


def find_joined(model: keras.Model, movers: tuple) -> list[list[keras.layers.Layer]]:
    """Returns groups of layers whose outputs meet in concatenations.

    Two layers are in one group if one concatenation joins them, or if each meets a
    third. Layers of the types `movers`, which keep the values, are looked through.
    """
    groups: list[dict[str, keras.layers.Layer]] = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Concatenate):
            joined = {source.name: source for source in _sources(layer, movers)}
            apart = [group for group in groups if not group.keys() & joined.keys()]
            for group in groups:
                if group not in apart:
                    joined = {**group, **joined}
            groups = [*apart, joined]
    return [list(group.values()) for group in groups]


def _sources(layer, movers):
    for source in traverse.producers(layer):
        if isinstance(source, movers):
            yield from _sources(source, movers)
        else:
            yield source
