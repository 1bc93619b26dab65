"""Updates tfmot's pruning masks between the steps of a training, not in them."""

from corallite.optimize.keras_graph.tfmot import PruneLowMagnitude
from corallite.train.framework.keras import keras, tf


class PrunedLayer(PruneLowMagnitude):
    """A layer with tfmot's masks, which `UpdateMasks` updates.

    In tfmot, every layer checks in every step whether to update its mask. In a network
    of 60 such layers these conditions take most of the minute until the first step.
    """

    def call(self, inputs):
        return self.layer(inputs)


class UpdateMasks(keras.callbacks.Callback):
    """Updates the masks before each step, as tfmot's wrappers do in it."""

    def on_train_begin(self, logs=None):
        layers = [x for x in self.model.layers if isinstance(x, PrunedLayer)]
        self._schedule = layers[0].pruning_schedule  # They have one.

        def update(step):
            for layer in layers:
                layer.pruning_step.assign(step)
                layer.pruning_obj.conditional_mask_update()

        def apply():
            for layer in layers:
                for weight, mask, _ in layer.pruning_vars:
                    weight.assign(weight * mask)

        # Eagerly, they would take longer than a step of a small network. They have no
        # Python condition on a tensor, so AutoGraph would only slow tracing down.
        compiled = tf.function(autograph=False)
        self._update, self._apply = compiled(update), compiled(apply)
        # Traced here, because Keras warns of a callback that takes longer than a step.
        # At step -1 no update is due.
        self._update(tf.constant(-1, tf.int64))
        self._apply()

    def on_train_batch_begin(self, batch, logs=None):
        step = self.model.optimizer.iterations + 1  # As tfmot counts.
        if self._schedule(step)[0]:
            self._update(step)
        self._apply()

    def on_test_begin(self, logs=None):
        self._apply()

    def on_epoch_end(self, epoch, logs=None):
        self._apply()
