"""The zero fraction counts kernels and nothing else."""

import numpy as np

from corallite.optimize.prune.sparsity import measure_sparsity
from corallite.train.framework.keras import keras


def test_measured_sparsity_counts_the_kernels():
    image = keras.Input((4, 4, 2))
    # Named so that a search for "kernel" anywhere would count its bias of zeros.
    x = keras.layers.Conv2D(4, 1, name="kernels")(image)
    x = keras.layers.DepthwiseConv2D(1, name="depthwise")(x)
    x = keras.layers.BatchNormalization()(x)
    model = keras.Model(image, x)
    model.get_layer("kernels").set_weights(
        [np.array([[[[0, 1, 1, 1], [0, 0, 1, 1]]]]), np.zeros(4)]
    )
    depthwise = np.array([0, 1, 1, 1]).reshape(1, 1, 4, 1)
    model.get_layer("depthwise").set_weights([depthwise, np.zeros(4)])
    sparsity = measure_sparsity(model)
    assert sparsity.layers == {"kernels": 3 / 8, "depthwise": 1 / 4}
    assert sparsity.overall == 4 / 12
