"""Loads a Keras model of any stage of a run."""

from pathlib import Path

from corallite.device.system.errors import RequestError

# Imported because they register the classes that a model file names.
from corallite.optimize.keras_graph import (  # noqa: F401
    borders,
    layer_quantization,
    shared_range,
)
from corallite.optimize.keras_graph.tfmot import tfmot
from corallite.train.framework.keras import keras
from corallite.train.models import channel_slice  # noqa: F401


def load_model(path: Path) -> keras.Model:
    """Loads a model of any stage, quantization-aware or not, without its optimizer.

    Raises:
        RequestError: The file is not a complete Keras model of ours.
    """
    try:
        with tfmot.quantization.keras.quantize_scope():
            return keras.models.load_model(path, compile=False)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).split("\n")[0]
        raise RequestError(
            f"{path} is not a complete Keras model ({reason}); remove it and run the "
            "command that makes it again."
        ) from error
