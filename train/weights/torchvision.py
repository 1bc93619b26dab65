"""Carries weights between torchvision's networks and ours, both ways and exactly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.errors import RequestError
from corallite.train.keras import keras
from corallite.train.weights.torchvision_names import (
    Order,
    PublishedLayer,
    mobilenet_v2_layers,
    shufflenet_v2_layers,
)

Tensors = dict[str, np.ndarray]

# Keras's order of a batch norm's weights, by torchvision's names.
_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
# How often a batch norm was updated; nothing is computed with it.
_COUNTER = "num_batches_tracked"
_DENSE_NAMES = {"shufflenet_v2": "fc", "mobilenet_v2": "classifier.1"}


def import_weights(
    model: keras.Model, tensors: Mapping[str, np.ndarray], width: float, source: Path
) -> Tensors:
    """Gives `model` the weights of torchvision's network of the same name.

    Args:
        model: Made by `shufflenet_v2` or `mobilenet_v2` with torchvision's conventions;
            changed.
        tensors: The state dict, float32, by torchvision's names.
        width: The model's width.
        source: Where the tensors come from, for messages.

    Returns:
        The tensors that Keras has no place for: how often each batch norm was updated.
        Nothing is computed with them; `export_weights` takes them back.

    Raises:
        RequestError: A tensor is missing, is one too many or has another shape than
            the model's; names the first.
    """
    _check_fit(model, tensors, width, source)
    for names in _layers(model, width):
        layer, norm = _pair(model, names)
        layer.set_weights([_kernel_here(names, tensors)])
        parts = [tensors[f"{names.norm}.{part}"] for part in _NORM_PARTS]
        norm.set_weights([_reorder(part, names.outputs) for part in parts])
    dense = _DENSE_NAMES[model.name]
    model.get_layer("logits").set_weights(
        [tensors[f"{dense}.weight"].T, tensors[f"{dense}.bias"]]
    )
    return {n: array for n, array in tensors.items() if n.endswith(_COUNTER)}


def _check_fit(
    model: keras.Model, tensors: Mapping[str, np.ndarray], width: float, source: Path
) -> None:
    expected = export_weights(model, width)
    for name, array in expected.items():
        if name.endswith(_COUNTER):
            continue
        if name not in tensors:
            raise RequestError(
                f"{source} has no tensor {name!r}, expected of {model.name} {width}x "
                f"with shape {array.shape}; give a checkpoint of that network."
            )
        if tensors[name].shape != array.shape:
            raise RequestError(
                f"{source}: tensor {name!r} has shape {tensors[name].shape}, expected "
                f"{array.shape} for {model.name} {width}x; give a checkpoint of that "
                "network and number of classes."
            )
    for name in tensors:
        if name not in expected:
            raise RequestError(
                f"{source} has a tensor {name!r} that {model.name} {width}x has not; "
                "give a checkpoint of that network."
            )


def export_weights(
    model: keras.Model, width: float, kept: Mapping[str, np.ndarray] | None = None
) -> Tensors:
    """Returns a model's weights by torchvision's names, in its order and shapes.

    Args:
        model: Made by `shufflenet_v2` or `mobilenet_v2`; not changed.
        width: The model's width.
        kept: What `import_weights` returned; without it, the batch norms' counters of
            updates are 0.
    """
    tensors: Tensors = {}
    kept = kept or {}
    for names in _layers(model, width):
        layer, norm = _pair(model, names)
        tensors[f"{names.convolution}.weight"] = _kernel_there(names, layer)
        for name, array in zip(_NORM_PARTS, norm.get_weights(), strict=True):
            tensors[f"{names.norm}.{name}"] = _restore(array, names.outputs)
        counter = f"{names.norm}.{_COUNTER}"
        tensors[counter] = kept.get(counter, np.array(0, np.int64))
    kernel, bias = model.get_layer("logits").get_weights()
    dense = _DENSE_NAMES[model.name]
    tensors[f"{dense}.weight"] = np.ascontiguousarray(kernel.T)
    tensors[f"{dense}.bias"] = bias
    return tensors


def _layers(model: keras.Model, width: float) -> list[PublishedLayer]:
    if model.name == "shufflenet_v2":
        return list(shufflenet_v2_layers(width))
    if model.name == "mobilenet_v2":
        return list(mobilenet_v2_layers())
    raise ValueError(f"Expected a network of torchvision's, got {model.name!r}.")


def _pair(model: keras.Model, names: PublishedLayer) -> tuple[Any, Any]:
    return model.get_layer(names.layer), model.get_layer(f"{names.layer}_bn")


def _kernel_here(
    names: PublishedLayer, tensors: Mapping[str, np.ndarray]
) -> np.ndarray:
    """[out, in, h, w] becomes [h, w, in, out], or [h, w, channels, 1] if depthwise."""
    kernel = _reorder(tensors[f"{names.convolution}.weight"], names.outputs)
    if names.layer.endswith("_depthwise"):
        return kernel.transpose(2, 3, 0, 1)
    if names.inputs is not None:
        kernel = kernel[:, list(names.inputs)]
    return kernel.transpose(2, 3, 1, 0)


def _kernel_there(names: PublishedLayer, layer: keras.layers.Layer) -> np.ndarray:
    kernel = layer.get_weights()[0]
    if names.layer.endswith("_depthwise"):
        kernel = kernel.transpose(2, 3, 0, 1)
    else:
        kernel = kernel.transpose(3, 2, 0, 1)
        if names.inputs is not None:
            kernel = kernel[:, np.argsort(names.inputs)]
    return np.ascontiguousarray(_restore(kernel, names.outputs))


def _reorder(array: np.ndarray, order: Order | None) -> np.ndarray:
    return array if order is None else array[list(order)]


def _restore(array: np.ndarray, order: Order | None) -> np.ndarray:
    return array if order is None else array[np.argsort(order)]
