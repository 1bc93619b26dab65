"""Writes Keras models, and loads them without executing code of the file."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import h5py

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras, tf
from corallite.train.framework.model_config import read_model_config

# What h5py and Keras were seen to raise for damaged files.
_READING_ERRORS = (OSError, ValueError, LookupError, TypeError, AttributeError)
_BUILDING_ERRORS = (RuntimeError, MemoryError, AssertionError, tf.errors.OpError)


def save_model(model: keras.Model, path: Path) -> None:
    """Writes a model without its optimizer, in one step.

    As HDF5: layers that tfmot wraps for quantization cannot be loaded from Keras's
    newer format (tf-keras 2.21: "expected 3 variables, but received 5"). First to
    memory, because the HDF5 library reports a full disk in half a page.
    """
    content = io.BytesIO()
    with _without_keras_advice(), h5py.File(content, "w") as file:
        model.save(file, include_optimizer=False)
    files.write_bytes(path, content.getvalue())


def load_model(path: Path) -> keras.Model:
    """Loads any Keras model from HDF5, without its optimizer, if its classes are known.

    This is the only function that gives a file to Keras. A file in another format is
    refused: Keras would run the operations of a SavedModel, and import what a `.keras`
    file names.

    Raises:
        RequestError: The file has a class that could execute code (see
            `read_model_config`), or is not a complete Keras model.
    """
    try:
        files.require_regular(path)
        with h5py.File(path, "r") as file:
            if read_model_config(file, path) is None:
                raise ValueError("it has only weights")
            return keras.models.load_model(file, compile=False)
    except (*_READING_ERRORS, *_BUILDING_ERRORS) as error:
        reason = str(error).split("\n")[0]
        raise RequestError(
            f"{path} is not a complete Keras model ({reason}); remove it and run the "
            "command that makes it again."
        ) from error


@contextlib.contextmanager
def _without_keras_advice() -> Iterator[None]:
    """Hides the warnings that HDF5 is old and that the model was not compiled."""
    keras_log = logging.getLogger("tensorflow")
    keras_log.addFilter(_is_not_about_compiling)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*HDF5 file", UserWarning)
            yield
    finally:
        keras_log.removeFilter(_is_not_about_compiling)


def _is_not_about_compiling(record: logging.LogRecord) -> bool:
    return "compiled metrics have yet to be built" not in record.getMessage()
