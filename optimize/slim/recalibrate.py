"""Measures the averages of batch norms again, after channels were removed."""

from collections.abc import Iterable

import numpy as np

from corallite.train.framework.keras import keras, tf


def recalibrate(model: keras.Model, batches: Iterable[np.ndarray]) -> None:
    """Replaces the averages of all batch norms by those of some images.

    Without the removed channels the following layers have other averages, and accuracy
    with the former ones says little of what training restores (EagleEye,
    arXiv:2007.02491). Frozen batch norms are measured too, and stay frozen.

    Args:
        model: The network; its averages are changed, and no other weight.
        batches: Images float32 `[n, height, width, 3]` in 0 to 1.
    """
    kind = keras.layers.BatchNormalization
    norms = [layer for layer in model.layers if isinstance(layer, kind)]
    former = [(layer, layer.momentum, layer.trainable) for layer in norms]
    try:
        for count, images in enumerate(batches):
            # The mean of all batches so far.
            for layer in norms:
                layer.momentum = count / (count + 1)
                layer.trainable = True
            model(tf.constant(images), training=True)
    finally:
        for layer, momentum, is_trainable in former:
            layer.momentum, layer.trainable = momentum, is_trainable
