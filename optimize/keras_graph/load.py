"""Loads a Keras model of any stage of a run."""

from pathlib import Path

# Imported because they register the classes that a model file names.
from corallite.optimize.keras_graph import (  # noqa: F401
    borders,
    layer_quantization,
    shared_range,
)
from corallite.optimize.keras_graph.tfmot import tfmot
from corallite.train.framework.keras import keras
from corallite.train.models import channel_slice, hard_swish  # noqa: F401
from corallite.train.training import model_file


def load_model(path: Path) -> keras.Model:
    """Loads a model of any stage, quantization-aware or not, without its optimizer.

    Raises:
        RequestError: See `train.training.model_file.load_model`.
    """
    with tfmot.quantization.keras.quantize_scope():
        return model_file.load_model(path)
