"""The one place that imports tfmot: after `train.keras`, as it must be.

tfmot chooses Keras 2 only once TensorFlow is in, and TensorFlow has looked for its
Keras by then: keras-cv would find the other.
"""

# isort: off
from corallite.train.framework.keras import keras as _keras  # noqa: F401
import tensorflow_model_optimization as tfmot

# The class behind `tfmot.sparsity.keras.prune_low_magnitude` has no public name.
from tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper import (
    PruneLowMagnitude,
)
# isort: on

__all__ = ["PruneLowMagnitude", "tfmot"]
