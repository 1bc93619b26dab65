"""The only module that imports TensorFlow and Keras.

tfmot works on Keras 2 only (the package `tf_keras`), and so does everything here.
`TF_USE_LEGACY_KERAS` has to be set before TensorFlow first touches `tf.keras`, or
tfmot and keras-cv pick Keras 3 and refuse our models.

TensorFlow's C++ log lines about CPU features and missing GPUs are hidden;
`TF_CPP_MIN_LOG_LEVEL=0` in the environment shows them, for a GPU that is not found.

oneDNN's kernels are switched on. TensorFlow does not use them on processors without
AVX-512, where they take 0.7 of the time. `TF_ENABLE_ONEDNN_OPTS=0` switches them off.
"""

import logging
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from corallite.device.system.errors import RequestError
from corallite.device.system.native_log import withholding_native_log


def _chose_keras_3(tensorflow: ModuleType) -> bool:
    # tfmot sets the variable too late, after its own import of TensorFlow.
    searched = getattr(tensorflow, "__path__", [])
    return os.environ.get("TF_USE_LEGACY_KERAS") != "1" or any(
        "_tf_keras" in path for path in searched
    )


if "tensorflow" in sys.modules and _chose_keras_3(sys.modules["tensorflow"]):
    raise RequestError(
        "TensorFlow was imported before corallite with Keras 3; import corallite "
        "first, or set TF_USE_LEGACY_KERAS=1 in the environment."
    )
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

with withholding_native_log():
    import tensorflow as tf
    import tf_keras as keras

    # The first search for GPUs logs an error if there is no driver: hide it here.
    tf.config.list_physical_devices()


def _is_not_about_tracing(record: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in record.getMessage()


# A program of ours runs many models, and each is traced: no user can change that.
logging.getLogger("tensorflow").addFilter(_is_not_about_tracing)

_Call = TypeVar("_Call", bound=Callable[..., Any])


def plain_python(call: _Call) -> _Call:
    """Excludes the `call(..., training)` of a layer of ours from AutoGraph.

    Our layers do not branch on a tensor's value, and AutoGraph would take a quarter of
    the time until the first step of a training with quantization. Keras sees the same
    signature.
    """
    return tf.autograph.experimental.do_not_convert(call)


__all__ = ["keras", "plain_python", "tf"]
