"""The one place that imports TensorFlow and Keras.

tfmot works on Keras 2 only (the package `tf_keras`), and so does everything here.
`TF_USE_LEGACY_KERAS` has to be set before TensorFlow first touches `tf.keras`, or
tfmot and keras-cv pick Keras 3 and refuse our models.

TensorFlow's C++ lines about CPU features and GPUs that are not there are withheld;
`TF_CPP_MIN_LOG_LEVEL=0` in the environment shows them, on a machine whose GPU should
be found and is not.
"""

import os
import sys

from corallite.device.errors import RequestError
from corallite.device.native_log import withholding_native_log

if "tensorflow" in sys.modules and os.environ.get("TF_USE_LEGACY_KERAS") != "1":
    raise RequestError(
        "TensorFlow was imported before corallite with Keras 3; import corallite "
        "first, or set TF_USE_LEGACY_KERAS=1 in the environment."
    )
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

with withholding_native_log():
    import tensorflow as tf
    import tf_keras as keras

    # The first look for GPUs complains if there is no driver: have it over with here.
    tf.config.list_physical_devices()

__all__ = ["keras", "tf"]
