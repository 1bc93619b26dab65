"""Takes the weights of keras.applications' MobileNetV2 from its `.h5` files."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np

from corallite.device.errors import RequestError
from corallite.train.keras import keras
from corallite.train.models.mobilenet_v2 import STAGES

Arrays = dict[str, list[np.ndarray]]


def read_layers(path: Path) -> Arrays:
    """Reads a file of weights, or of a whole model, that Keras 2 saved.

    Returns:
        For each layer that has weights its arrays, in Keras's order.

    Raises:
        FileNotFoundError: There is no such file.
        RequestError: It is no such file, or is damaged.
    """
    with path.open("rb"):
        pass  # h5py's own error for a missing file does not name it.
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            layers = {name: _arrays(root[name]) for name in root.attrs["layer_names"]}
    except (OSError, KeyError, RuntimeError) as error:
        raise RequestError(
            f"{path} is not a whole file of Keras weights ({error}); give an .h5 file "
            "of keras.applications."
        ) from error
    return {_text(name): arrays for name, arrays in layers.items() if arrays}


def import_mobilenet_v2(
    model: keras.Model, layers: Mapping[str, list[np.ndarray]], source: Path
) -> None:
    """Gives our MobileNetV2 the weights of keras.applications' of the same width.

    Args:
        model: Made by `mobilenet_v2` with the conventions of keras.applications;
            changed. Its logits are left alone if the file has no top.
        layers: What `read_layers` returned.
        source: Where they come from, for messages.

    Raises:
        RequestError: A layer is missing or has another shape; names the first.
    """
    names = dict(_names())
    if "predictions" in layers:
        names["logits"] = "predictions"
    for ours, theirs in names.items():
        layer = model.get_layer(ours)
        expected = [tuple(weight.shape) for weight in layer.weights]
        if theirs not in layers:
            raise RequestError(
                f"{source} has no layer {theirs!r}, expected of MobileNetV2 with "
                f"arrays of shape {expected}; give a file of that network."
            )
        shapes = [array.shape for array in layers[theirs]]
        if shapes != expected:
            raise RequestError(
                f"{source}: layer {theirs!r} has arrays of shape {shapes}, expected "
                f"{expected}; give a file of the same width and classes."
            )
        layer.set_weights(layers[theirs])


def _names() -> Iterator[tuple[str, str]]:
    """Yields our name and theirs of each layer but the dense one."""
    yield from (("stem", "Conv1"), ("stem_bn", "bn_Conv1"))
    number = 0
    for stage, (expansion, _, repeats, _) in enumerate(STAGES, start=1):
        for block in range(repeats):
            ours = f"stage{stage}_block{block}"
            theirs = f"block_{number}" if number else "expanded_conv"
            parts = ("expand", "depthwise", "project")
            for part in parts if expansion > 1 else parts[1:]:
                yield f"{ours}_{part}", f"{theirs}_{part}"
                yield f"{ours}_{part}_bn", f"{theirs}_{part}_BN"
            number += 1
    yield from (("last", "Conv_1"), ("last_bn", "Conv_1_bn"))


def _arrays(group: h5py.Group) -> list[np.ndarray]:
    return [np.array(group[name]) for name in group.attrs["weight_names"]]


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
