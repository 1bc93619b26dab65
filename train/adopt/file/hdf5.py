"""Reads the `.h5` files of Keras, of any version."""

from pathlib import Path
from typing import Any

import h5py

from corallite.device.system.errors import RequestError
from corallite.device.system.storage import json_text
from corallite.train.framework.keras import keras
from corallite.train.framework.model_config import refuse_other_files


def read_config(path: Path) -> dict[str, Any]:
    """Returns the description of the model.

    Raises:
        RequestError: The file has only weights, or weights that are not in it.
        OSError, ValueError: It is damaged.
    """
    with h5py.File(path, "r") as file:
        refuse_other_files(file, path)
        if "model_config" not in file.attrs:
            raise RequestError(
                f"{path}: has only weights; save the whole model with "
                "model.save('mine.keras')."
            )
        config: dict[str, Any] = json_text.parse(file.attrs["model_config"])
        return config


def load_weights(model: keras.Model, config: dict[str, Any], path: Path) -> None:
    """Gives the weights of the file to the model that was built of its description."""
    model.load_weights(str(path))
