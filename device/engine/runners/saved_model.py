"""Runs TensorFlow's SavedModel folders with TensorFlow.

A SavedModel is a program, which may also read and write files: run only those of people
whom you trust.
"""

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.engine.file_kind import list_files
from corallite.device.engine.runner import Tensor
from corallite.device.engine.runtime import first_line
from corallite.device.model.manifest import MANIFEST_NAME
from corallite.device.model.signature import ModelSignature, TensorSpec
from corallite.device.system.errors import RequestError
from corallite.device.system.files import reporting_unreadable
from corallite.device.system.text import cut

# It may be imported here first; `train/framework/keras.py` needs this then.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

MAIN_FILE = "saved_model.pb"
# TensorFlow's folder for the files of others.
EXTRA_FOLDER = "assets.extra"
_SIGNATURE = "serving_default"


class SavedModelRunner:
    """A `Runner` over the serving signature of a SavedModel."""

    def __init__(self, serve: Any, manifest_text: str | None = None) -> None:
        """Takes a signature's function, and the manifest beside it."""
        self._serve = serve
        inputs = serve.structured_input_signature[1]
        outputs = serve.structured_outputs
        self.signature = ModelSignature(
            *(tuple(map(_describe, x, x.values())) for x in (inputs, outputs))
        )
        self.manifest_text = manifest_text

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns the outputs by name.

        Raises:
            RuntimeError: The model loads but does not run.
        """
        constant = importlib.import_module("tensorflow").constant
        values = {name: constant(value) for name, value in inputs.items()}
        try:
            return {x: y.numpy() for x, y in self._serve(**values).items()}
        except Exception as error:  # Its errors have no other base.
            raise RuntimeError(first_line(error)) from error


def read(path: str | Path) -> bytes:
    """Returns the content of all files of the folder, one after the other.

    Raises:
        RequestError: They cannot be read, or it is not a SavedModel.
    """
    with reporting_unreadable(path, "check its name"):
        os.stat(path)
        if not (_folder(path) / MAIN_FILE).exists():
            raise RequestError(
                f"{path}: is not a SavedModel; give the folder that has {MAIN_FILE}."
            )
        return b"".join(x.read_bytes() for x in list_files(path))


def load(
    path: str | Path, num_threads: int = 1, content: bytes | None = None
) -> SavedModelRunner:
    """Returns a runner of a folder.

    Args:
        path: The folder, or its `saved_model.pb`.
        num_threads: TensorFlow chooses its threads itself.
        content: Not used: TensorFlow reads the folder.

    Raises:
        RequestError: It is damaged, or has no serving signature.
    """
    tensorflow, folder = importlib.import_module("tensorflow"), _folder(path)
    try:
        loaded = tensorflow.saved_model.load(str(folder))
        serve = loaded.signatures[_SIGNATURE]
    except Exception as error:  # Its errors have no other base.
        raise RequestError(
            f"{path}: cannot be run ({cut(first_line(error), 200)}); copy or convert "
            "it again."
        ) from error
    # The function needs what was loaded as long as it lives.
    serve.corallite_owner = loaded
    manifest = folder / EXTRA_FOLDER / MANIFEST_NAME
    return SavedModelRunner(serve, manifest.read_text() if manifest.exists() else None)


def _folder(path: str | Path) -> Path:
    return Path(path) if Path(path).is_dir() else Path(path).parent


def _describe(name: str, tensor: Any) -> TensorSpec:
    sizes = [-1 if size is None else size for size in tensor.shape]
    if sizes and sizes[0] == -1:
        sizes[0] = 1
    return TensorSpec(name, tuple(sizes), np.dtype(tensor.dtype.as_numpy_dtype).name)
