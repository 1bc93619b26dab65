"""The averages of batch norms become those of the images, and nothing else changes."""

import numpy as np

from corallite.optimize.slim.recalibrate import recalibrate
from corallite.train.framework.keras import keras

layers = keras.layers


def build():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(5, 3, name="convolution")(image)
    x = layers.BatchNormalization(momentum=0.9, name="norm")(x)
    return keras.Model(image, layers.GlobalAveragePooling2D()(x))


def test_averages_are_those_of_all_batches_together():
    model = build()
    norm = model.get_layer("norm")
    norm.trainable = False
    rng = np.random.default_rng(0)
    batches = [rng.normal(x, 1, (16, 8, 8, 3)).astype(np.float32) for x in (0, 1, 5)]
    kernel = model.get_layer("convolution").get_weights()

    recalibrate(model, batches)

    outputs = [model.get_layer("convolution")(x).numpy() for x in batches]
    means = np.mean([x.mean(axis=(0, 1, 2)) for x in outputs], axis=0)
    # Of each batch, without its mean; Keras divides by n - 1 of 576 here.
    variances = np.mean([x.var(axis=(0, 1, 2)) for x in outputs], axis=0)
    np.testing.assert_allclose(norm.moving_mean.numpy(), means, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), variances, rtol=3e-3)
    for new, old in zip(
        model.get_layer("convolution").get_weights(), kernel, strict=True
    ):
        np.testing.assert_array_equal(new, old)
    assert (norm.momentum, norm.trainable) == (0.9, False)
