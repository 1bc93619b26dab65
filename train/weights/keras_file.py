"""Imports weights from `.h5` files that Keras 2 saved, including ours."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras
from corallite.train.framework.model_config import read_model_config
from corallite.train.models.blocks import OURS, Conventions
from corallite.train.weights.check_fit import check_fit
from corallite.train.weights.other_kinds import suggest_other_file

# What reading damaged or third-party files was seen to raise.
_READING_ERRORS = (
    OSError,
    AttributeError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclasses.dataclass(frozen=True)
class KerasFile:
    """The content of a file of weights or of a model.

    Attributes:
        layers: The arrays of each layer with weights, in Keras's order.
        settings: The settings of each layer if the file is of a model; else empty.
    """

    layers: dict[str, list[np.ndarray]]
    settings: dict[str, dict[str, Any]]


def read_keras_file(path: Path) -> KerasFile:
    """Reads a file of weights or of a model that Keras 2 saved.

    Raises:
        FileNotFoundError: There is no such file.
        RequestError: It is another kind of file, or is damaged.
    """
    with path.open("rb"):
        pass  # h5py's error for a missing file does not name it.
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            layers = {_text(n): _arrays(root[n]) for n in root.attrs["layer_names"]}
            settings = _settings(read_model_config(file, path))
    except _READING_ERRORS as error:
        reason = str(error).split("\n")[0]
        raise RequestError(
            f"{path} is not a complete file of Keras weights ({reason}); "
            f"{suggest_other_file('')}."
        ) from error
    return KerasFile({n: arrays for n, arrays in layers.items() if arrays}, settings)


def import_layers(
    model: keras.Model,
    layers: Mapping[str, list[np.ndarray]],
    names: Mapping[str, str],
    width: float,
    source: Path,
) -> None:
    """Sets the weights of layers of `model`.

    Args:
        model: Its layers in `names` are changed.
        layers: The layers of a `KerasFile`.
        names: Maps the model's name of a layer to the file's.
        width: The model's width, for messages.
        source: Path of the file, for messages.

    Raises:
        RequestError: A layer is missing, unknown or of other shapes; the message names
            the first one.
    """
    expected = {
        theirs: [tuple(weight.shape) for weight in model.get_layer(ours).weights]
        for ours, theirs in names.items()
    }
    found = {name: [array.shape for array in arrays] for name, arrays in layers.items()}
    check_fit("layer", expected, found, f"{model.name} {width}x", source)
    for ours, theirs in names.items():
        model.get_layer(ours).set_weights(layers[theirs])


def conventions_of(content: KerasFile) -> Conventions:
    """Derives the conventions of one of our models from its layers."""
    mean, deviation = None, OURS.deviation
    normalize = content.layers.get("normalize", [])
    # A third-party layer of that name is refused later, by `import_layers`.
    if [array.size for array in normalize] == [3, 3]:
        kernel, bias = normalize
        deviation = _three(1 / kernel)
        mean = _three(-bias / kernel.ravel())
    settings = content.settings
    relus = [x for name, x in settings.items() if name.endswith("_relu")]
    limits = [x["max_value"] for x in relus if "max_value" in x]
    return Conventions(
        padding="symmetric" if any(n.endswith("_pad") for n in settings) else "same",
        epsilon=settings.get("stem_bn", {}).get("epsilon", OURS.epsilon),
        relu_limit=limits[0] if limits else OURS.relu_limit,
        mean=mean,
        deviation=deviation,
    )


def _arrays(group: h5py.Group) -> list[np.ndarray]:
    return [np.array(group[name]) for name in group.attrs["weight_names"]]


def _settings(config: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    if config is None:
        return {}
    layers = config["config"]["layers"]
    return {layer["config"]["name"]: layer["config"] for layer in layers}


def _three(values: np.ndarray) -> tuple[float, float, float]:
    """Returns three floats without the meaningless digits of float32."""
    red, green, blue = (round(float(value), 6) for value in values.ravel())
    return red, green, blue


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
