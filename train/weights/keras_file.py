"""Takes weights from the `.h5` files that Keras 2 saves, ours among them."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras
from corallite.train.models.blocks import OURS, Conventions

# All that reading damaged or foreign files was seen to raise.
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
    """What a file of weights, or of a whole model, holds.

    Attributes:
        layers: For each layer that has weights its arrays, in Keras's order.
        settings: For each layer of a whole model its settings; else empty.
    """

    layers: dict[str, list[np.ndarray]]
    settings: dict[str, dict[str, Any]]


def read_keras_file(path: Path) -> KerasFile:
    """Reads a file of weights, or of a whole model, that Keras 2 saved.

    Raises:
        FileNotFoundError: There is no such file.
        RequestError: It is no such file, or is damaged.
    """
    with path.open("rb"):
        pass  # h5py's own error for a missing file does not name it.
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            layers = {_text(n): _arrays(root[n]) for n in root.attrs["layer_names"]}
            settings = _settings(file)
    except _READING_ERRORS as error:
        reason = str(error).split("\n")[0]
        raise RequestError(
            f"{path} is not a whole file of Keras weights ({reason}); give an .h5 file "
            "of keras.applications, or a run's model.h5."
        ) from error
    return KerasFile({n: arrays for n, arrays in layers.items() if arrays}, settings)


def import_layers(
    model: keras.Model,
    layers: Mapping[str, list[np.ndarray]],
    names: Mapping[str, str],
    width: float,
    source: Path,
) -> None:
    """Gives layers of `model` their arrays.

    Args:
        model: Changed, but for layers that `names` leaves out.
        layers: Of a `KerasFile`.
        names: The file's name of each layer by the model's.
        width: The model's width, for messages.
        source: Where the layers come from, for messages.

    Raises:
        RequestError: A layer is missing, is one too many or has arrays of another
            shape than the model's; names the first.
    """
    _check_fit(model, layers, names, f"{model.name} {width}x", source)
    for ours, theirs in names.items():
        model.get_layer(ours).set_weights(layers[theirs])


def _check_fit(
    model: keras.Model,
    layers: Mapping[str, list[np.ndarray]],
    names: Mapping[str, str],
    network: str,
    source: Path,
) -> None:
    for ours, theirs in names.items():
        expected = [tuple(weight.shape) for weight in model.get_layer(ours).weights]
        if theirs not in layers:
            raise RequestError(
                f"{source} has no layer {theirs!r}, expected of {network} with arrays "
                f"of shape {expected}; give a file of that network."
            )
        shapes = [array.shape for array in layers[theirs]]
        if shapes != expected:
            raise RequestError(
                f"{source}: layer {theirs!r} has arrays of shape {shapes}, expected "
                f"{expected} for {network}; give a file of that network."
            )
    for theirs in layers:
        if theirs not in names.values():
            raise RequestError(
                f"{source} has a layer {theirs!r} that {network} has not; give a file "
                "of that network."
            )


def conventions_of(content: KerasFile) -> Conventions:
    """Returns the conventions that a model of ours was built with, from its layers."""
    mean, deviation = None, OURS.deviation
    normalize = content.layers.get("normalize", [])
    # A foreign layer of that name is refused when the layers are given to a network.
    if [array.size for array in normalize] == [3, 3]:
        kernel, bias = normalize
        deviation = _three(1 / kernel)
        mean = _three(-bias / kernel.ravel())
    settings = content.settings
    return Conventions(
        padding="symmetric" if any(n.endswith("_pad") for n in settings) else "same",
        epsilon=settings.get("stem_bn", {}).get("epsilon", OURS.epsilon),
        relu_limit=settings.get("stem_relu", {}).get("max_value", OURS.relu_limit),
        mean=mean,
        deviation=deviation,
    )


def _arrays(group: h5py.Group) -> list[np.ndarray]:
    return [np.array(group[name]) for name in group.attrs["weight_names"]]


def _settings(file: h5py.File) -> dict[str, dict[str, Any]]:
    if "model_config" not in file.attrs:
        return {}
    layers = json.loads(file.attrs["model_config"])["config"]["layers"]
    return {layer["config"]["name"]: layer["config"] for layer in layers}


def _three(values: np.ndarray) -> tuple[float, float, float]:
    """Colours that were kept as float32, as close to what was meant as that tells."""
    red, green, blue = (round(float(value), 6) for value in values.ravel())
    return red, green, blue


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
