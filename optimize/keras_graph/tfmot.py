"""The only module that imports tfmot, after `train.framework.keras`.

tfmot chooses Keras 2 only after it has imported TensorFlow. By then TensorFlow has
chosen its Keras, and keras-cv would get Keras 3.
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
