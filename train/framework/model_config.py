"""Refuses Keras files that could execute code when they are loaded.

Keras builds whatever a file's `model_config` names. A `Lambda` layer carries byte code,
a layer of a TensorFlow operation can write files, and an entry with a module imports
it. `safe_mode` does not apply to `.h5` files. So the classes are compared with a list
before Keras sees the file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from corallite.device.system.errors import RequestError
from corallite.device.system.storage import json_text
from corallite.train.framework.trusted_files import is_trusted

# Our layers are registered as in "corallite>ChannelSlice". They call no function that
# their settings name.
_OURS = "corallite>"
_MODELS = ("Functional", "Model", "Sequential", "InputLayer")
_LAYERS = (
    *("Conv1D", "Conv2D", "Conv2DTranspose", "Dense", "DepthwiseConv2D"),
    *("SeparableConv2D", "ZeroPadding2D", "Cropping2D", "UpSampling2D", "Resizing"),
    *("AveragePooling2D", "MaxPooling2D", "GlobalAveragePooling2D"),
    *("GlobalMaxPooling2D", "BatchNormalization", "LayerNormalization"),
    *("Normalization", "Rescaling", "CenterCrop", "RandomFlip", "RandomRotation"),
    *("RandomZoom", "RandomContrast", "RandomTranslation", "RandomCrop"),
    *("Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax"),
    *("Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise"),
    *("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"),
    *("Flatten", "Permute", "RepeatVector", "Reshape"),
)
# Of kernels and biases: initializers, regularizers, constraints.
_PARTS = (
    *("Constant", "Identity", "Ones", "Orthogonal", "Zeros", "VarianceScaling"),
    *("GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal"),
    *("LecunUniform", "RandomNormal", "RandomUniform", "TruncatedNormal"),
    *("L1", "L2", "L1L2", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"),
)
_HARMLESS = frozenset((*_MODELS, *_LAYERS, *_PARTS))
# HDF5 gives zeros for what was never written, and compresses. Keras writes all numbers
# as they are.
_MOST_INFLATION = 64
_SMALL_BYTES = 2**20


def read_model_config(file: h5py.File, path: Path) -> dict[str, Any] | None:
    """Returns the description of a Keras file's model; None if it has only weights.

    Args:
        file: The file, opened.
        path: Its path, for messages.

    Raises:
        RequestError: It names a class that is neither ours nor on the list of harmless
            ones of Keras, and the user did not say that the file is trusted; or it has
            weights that are in another file or not in it.
        ValueError, TypeError: The description is damaged.
    """
    refuse_other_files(file, path)
    if "model_config" not in file.attrs:
        return None
    config = json_text.parse(file.attrs["model_config"])
    name = find_unknown(config)
    if name and not is_trusted(path):
        raise RequestError(
            f"{path}: has {name}, which could execute code when it is loaded and "
            "is neither a class of Corallite nor a plain one of Keras; replace "
            "it with a file that you trust."
        )
    if not isinstance(config, dict):
        raise ValueError("its description is not a JSON object")
    return config


def find_unknown(config: Any) -> str:
    """Returns the first class that is not harmless, as part of a sentence; or ""."""
    return next(filter(None, map(_name_unknown, _find_entries(config))), "")


def _find_entries(config: Any) -> Iterator[dict[str, Any]]:
    """Yields each dict, at any depth, that Keras could build an object from."""
    waiting = [config]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "class_name" in node:
                yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _name_unknown(entry: dict[str, Any]) -> str:
    """Returns what of an entry is not on the list, as part of a sentence; or ""."""
    name, module = entry["class_name"], entry.get("module")
    registered = entry.get("registered_name")
    if name not in _HARMLESS and not str(name).startswith(_OURS):
        return f"the class {_shorten(name)}"
    if registered not in (None, name):
        return f"the class {_shorten(registered)}"
    if module is not None and not f"{module}.".startswith("keras."):
        return f"a class of the module {_shorten(module)}"
    return ""


def _shorten(name: Any) -> str:
    return repr(name if len(str(name)) <= 60 else f"{str(name)[:60]}...")


def refuse_other_files(root: h5py.Group, path: Path) -> None:
    """Refuses data that HDF5 would read from other files, such as a device.

    Raises:
        RequestError: It has such data, or is much larger than its file.
    """
    waiting, visited = [root], {root.id}
    while waiting:
        group = waiting.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.SoftLink):
                continue  # What it leads to is found below its own name.
            entry = None if isinstance(link, h5py.ExternalLink) else group[name]
            if isinstance(entry, h5py.Group):
                if entry.id not in visited:  # Groups may contain each other.
                    visited.add(entry.id)
                    waiting.append(entry)
            elif entry is None or _is_elsewhere(entry):
                raise RequestError(
                    f"{path}: has weights that are in another file ({_shorten(name)}); "
                    "replace it with a file that you trust."
                )
            elif isinstance(entry, h5py.Dataset):
                _refuse_inflated(entry, path)


def _refuse_inflated(entry: h5py.Dataset, path: Path) -> None:
    """Refuses weights of gigabytes in a small file."""
    stored = entry.id.get_storage_size()
    if entry.nbytes > _SMALL_BYTES + _MOST_INFLATION * stored:
        raise RequestError(
            f"{path}: has weights of {entry.nbytes / 1e6:,.0f} MB of which it holds "
            f"{stored / 1e6:,.0f} ({_shorten(entry.name)}); replace it with a file "
            "that you trust."
        )


def _is_elsewhere(entry: Any) -> bool:
    return isinstance(entry, h5py.Dataset) and bool(entry.external or entry.is_virtual)
