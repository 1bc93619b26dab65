"""Writes the Keras models of a run's stages."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import h5py

from corallite.device.system import files
from corallite.train.framework.keras import keras


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
