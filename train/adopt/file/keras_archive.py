"""Reads the `.keras` files of Keras 2 and 3: an archive of JSON and HDF5."""

import collections
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import h5py

from corallite.device.system.errors import RequestError
from corallite.device.system.storage import json_text
from corallite.train.adopt.file.translate import MODELS
from corallite.train.framework.keras import keras
from corallite.train.framework.model_config import refuse_other_files

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
# Of a file of 500 MB, and of a description of a thousand layers.
_MOST_CONFIG_BYTES, _MOST_WEIGHT_BYTES = 64 << 20, 4 << 30


def is_archive(path: Path) -> bool:
    """Returns whether a file is an archive with a description of Keras in it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return _CONFIG in archive.namelist()


def read_config(path: Path) -> dict[str, Any]:
    """Returns the description of the model.

    Raises:
        RequestError: It has no weights in HDF5, or is too large.
        zipfile.BadZipFile, ValueError: It is damaged.
    """
    config: dict[str, Any] = json_text.parse(
        _read(path, _CONFIG, _MOST_CONFIG_BYTES).decode()
    )
    return config


def load_weights(model: keras.Model, config: dict[str, Any], path: Path) -> None:
    """Gives the weights of the file to the model that was built of its description.

    Raises:
        RequestError: It has weights that are not in it.
        LookupError, ValueError: Weights are missing or have another shape.
    """
    content = io.BytesIO(_read(path, _WEIGHTS, _MOST_WEIGHT_BYTES))
    with h5py.File(content, "r") as file:
        refuse_other_files(file, path)
        _load_layers(model, config, file)


def _read(path: Path, member: str, most_bytes: int) -> bytes:
    with zipfile.ZipFile(path) as archive:
        if member not in archive.namelist():
            raise RequestError(
                f"{path}: has no {member}; save the model again with "
                "model.save('mine.keras')."
            )
        if archive.getinfo(member).file_size > most_bytes:
            raise RequestError(
                f"{path}: its {member} has more than {most_bytes >> 20} MiB; give a "
                "smaller model."
            )
        return archive.read(member)


def _load_layers(model: keras.Model, config: dict[str, Any], group: h5py.Group) -> None:
    """Loads the layers of a model, whose groups are numbered by their class."""
    counts: collections.Counter[str] = collections.Counter()
    built = {layer.name: layer for layer in model.layers}
    for entry in config["config"]["layers"]:
        name = _to_snake_case(entry["class_name"])
        number = counts[name]
        counts[name] += 1
        layer = built.get(entry["config"]["name"])
        if layer is None or not layer.weights:  # An input, or nothing to load.
            continue
        mine = group["layers"][f"{name}_{number}" if number else name]
        if entry["class_name"] in MODELS:
            _load_layers(layer, entry, mine)
        else:
            values = mine["vars"]
            layer.set_weights([values[str(x)][()] for x in range(len(layer.weights))])
            layer.finalize_state()  # `Normalization` computes with a copy.


def _to_snake_case(name: str) -> str:
    """Returns the name of a class as Keras writes it: `re_lu`, `depthwise_conv2d`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
