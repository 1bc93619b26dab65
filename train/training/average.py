"""The exponential moving average of the weights, which a training may keep."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from corallite.train.framework.keras import keras, tf


class WeightAverage(keras.callbacks.Callback):
    """Follows the weights of a model; validation has the average in their place.

    After the validation of an epoch, the model has the average until `swap` is called.
    The statistics of batch norms are averaged as the weights are: they fit the average
    better than those of the last step. In step t the momentum is at most
    (1 + t) / (10 + t), as the first weights are random.
    """

    def __init__(self, model: keras.Model, momentum: float):
        """Begins with the weights of `model`; `momentum` is above 0 and below 1."""
        super().__init__()
        self._momentum = momentum
        self._weights = [x for x in model.weights if x.dtype.is_floating]
        self._averages = [tf.Variable(x, trainable=False) for x in self._weights]
        # Traced here: Keras warns of a callback that is slow in the first steps.
        self._update(tf.constant(1.0))

    def get(self) -> list[np.ndarray]:
        """Returns the averages, for the saved state."""
        return [average.numpy() for average in self._averages]

    def set(self, values: Sequence[np.ndarray]) -> None:
        """Restores what `get` returned.

        Raises:
            ValueError: There is another number of values, or one has another shape.
        """
        for average, value in zip(self._averages, values, strict=True):
            average.assign(value)

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        step = int(self.model.optimizer.iterations.numpy())
        self._update(tf.constant(min(self._momentum, (1 + step) / (10 + step))))

    def on_test_begin(self, logs: Any = None) -> None:
        self.swap()

    @tf.function
    def swap(self) -> None:
        """Exchanges the weights of the model and their averages."""
        for weight, average in zip(self._weights, self._averages, strict=True):
            former = tf.identity(weight)
            weight.assign(average)
            average.assign(former)

    @tf.function
    def _update(self, momentum: tf.Tensor) -> None:
        for weight, average in zip(self._weights, self._averages, strict=True):
            average.assign_sub((1.0 - momentum) * (average - weight))
