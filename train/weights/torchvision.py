"""Imports weights from PyTorch's networks, and exports them, bit by bit."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from corallite.train.framework.keras import keras
from corallite.train.models.entry import Order, PublishedLayer, WeightSource
from corallite.train.models.registry import NETWORKS
from corallite.train.weights.check_fit import check_fit

Tensors = dict[str, np.ndarray]
# Keras's order of a batch norm's weights, by PyTorch's names.
_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
# The number of updates of a batch norm: it has no effect, and Keras does not have it.
_COUNTER = "num_batches_tracked"


def import_weights(
    model: keras.Model, tensors: Mapping[str, np.ndarray], width: float, source: Path
) -> None:
    """Sets the weights of `model` to those of the published network of the same name.

    Args:
        model: Built by a registered network with its PyTorch conventions; changed.
        tensors: The state dict, float32, by the published names.
        width: The model's width.
        source: Where the tensors come from, for messages.

    Raises:
        RequestError: A tensor is missing, unknown or of another shape; the message
            names the first one.
    """
    expected, found = (
        {name: array.shape for name, array in x.items() if not name.endswith(_COUNTER)}
        for x in (export_weights(model, width), tensors)
    )
    check_fit("tensor", expected, found, f"{model.name} {width}x", source)
    for names in _layers(model, width):
        weights = [_kernel_here(names, tensors[f"{names.convolution}.weight"])]
        if names.norm:
            parts = [tensors[f"{names.norm}.{part}"] for part in _NORM_PARTS]
            parts = [_reorder(part, names.outputs) for part in parts]
            model.get_layer(f"{names.layer}_bn").set_weights(parts)
        else:
            weights.append(tensors[f"{names.convolution}.bias"])
        model.get_layer(names.layer).set_weights(weights)


def export_weights(model: keras.Model, width: float) -> Tensors:
    """Returns a model's weights by their published names, in their order and shapes.

    Args:
        model: Built by a registered network; not changed.
        width: The model's width.
    """
    tensors: Tensors = {}
    for names in _layers(model, width):
        kernel, *bias = model.get_layer(names.layer).get_weights()
        tensors[f"{names.convolution}.weight"] = _kernel_there(names, kernel)
        if not names.norm:
            tensors[f"{names.convolution}.bias"] = bias[0]
            continue
        norm = model.get_layer(f"{names.layer}_bn").get_weights()
        for name, array in zip(_NORM_PARTS, norm, strict=True):
            tensors[f"{names.norm}.{name}"] = _restore(array, names.outputs)
    return tensors


def head_names(network: str) -> tuple[str, str]:
    """Returns the published names of the dense layer's kernel and bias."""
    dense = _find_source(network).dense
    return f"{dense}.weight", f"{dense}.bias"


def _find_source(network: str) -> WeightSource:
    source = NETWORKS[network].torch_weights
    if source is None:
        raise ValueError(f"Expected a network with PyTorch weights, got {network!r}.")
    return source


def _layers(model: keras.Model, width: float) -> Iterable[PublishedLayer]:
    source = _find_source(model.name)
    yield from source.layers(NETWORKS[model.name].configure(width))
    yield PublishedLayer("logits", source.dense)


def _kernel_here(names: PublishedLayer, kernel: np.ndarray) -> np.ndarray:
    """[out, in, h, w] becomes [h, w, in, out], or [h, w, channels, 1] if depthwise.

    A dense kernel [out, in] becomes [in, out].
    """
    kernel = _reorder(kernel, names.outputs)
    if kernel.ndim == 2:
        return kernel.T
    if names.layer.endswith("_depthwise"):
        return kernel.transpose(2, 3, 0, 1)
    if names.inputs is not None:
        kernel = kernel[:, list(names.inputs)]
    return kernel.transpose(2, 3, 1, 0)


def _kernel_there(names: PublishedLayer, kernel: np.ndarray) -> np.ndarray:
    if kernel.ndim == 2:
        return np.ascontiguousarray(kernel.T)
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
