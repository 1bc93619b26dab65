"""Reads back a Keras model of any stage of a run."""

from pathlib import Path

from corallite.device.system.errors import RequestError
from corallite.optimize.keras_graph.tfmot import tfmot

# Imported for what it and its imports register: a model file names the classes.
from corallite.optimize.quantize import add_quantizers  # noqa: F401
from corallite.train.framework.keras import keras


def load_model(path: Path) -> keras.Model:
    """Loads a model of any stage, quantization-aware or not, without its optimizer.

    Raises:
        RequestError: The file is not a whole Keras model of ours.
    """
    try:
        with tfmot.quantization.keras.quantize_scope():
            return keras.models.load_model(path, compile=False)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).split("\n")[0]
        raise RequestError(
            f"{path} is not a whole Keras model ({reason}); remove it and run the "
            "command that makes it again."
        ) from error
