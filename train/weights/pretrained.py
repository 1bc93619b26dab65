"""Weights for one of our networks, from any kind of file that may hold them.

The file's content tells its kind and the network's name tells by which names it is
read: PyTorch's by those published for that network, Keras's by keras.applications' or
by our own.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras
from corallite.train.models.blocks import Conventions
from corallite.train.weights import conventions, keras_applications, torchvision
from corallite.train.weights.keras_file import (
    conventions_of,
    import_layers,
    read_keras_file,
)
from corallite.train.weights.torch_checkpoint import read_checkpoint

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# PyTorch's format since 1.6 is a zip archive, the older one begins with a pickle.
_TORCH_SIGNATURES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """What a file of weights holds, for one network.

    Attributes:
        conventions: What the network has to be built with, for the weights to compute
            what they were trained to.
        num_classes: That the file's head tells apart; None if it has no head.
        give_to: Gives its weights to a model of the network. The logits of a model with
            another number of classes stay as they are. Raises `RequestError`, which
            names the first tensor that does not fit.
    """

    conventions: Conventions
    num_classes: int | None
    give_to: Callable[[keras.Model], None]


def read_pretrained(path: Path, model: str, width: float) -> Pretrained:
    """Reads the weights of a network; whether they fit shows when they are given.

    Args:
        path: A PyTorch checkpoint of torchvision's ShuffleNetV2 or MobileNetV2 or of
            EfficientNet-Lite0, an `.h5` of keras.applications' MobileNetV2, or the
            `model.h5` of a run's float or pruned stage.
        model: The network's name in the registry.
        width: The network's width.

    Raises:
        FileNotFoundError: There is no such file.
        RequestError: The file is of no kind that is known, or is damaged.
    """
    with path.open("rb") as file:
        begin = file.read(len(_HDF5_SIGNATURE))
    if begin == _HDF5_SIGNATURE:
        return _read_keras(path, model, width)
    if begin.startswith(_TORCH_SIGNATURES):
        return _read_torch(path, model, width)
    raise RequestError(
        f"{path} holds no weights; give a PyTorch checkpoint (.pth) or an .h5 file of "
        "Keras."
    )


def _read_torch(path: Path, model: str, width: float) -> Pretrained:
    tensors = read_checkpoint(path)
    if model not in torchvision.NETWORKS:
        raise RequestError(
            f"{path} is a PyTorch checkpoint, and of {model} none is known; give a "
            "model.h5 of that network."
        )
    head = torchvision.head_names(model)
    num_classes = _length(tensors.get(head[1]))

    def give_to(network: keras.Model) -> None:
        mine = torchvision.export_weights(network, width)
        fitting = dict(tensors)
        if num_classes != _length(mine[head[1]]):
            # Only what is there: a head that lacks a tensor is a damaged one.
            fitting |= {name: mine[name] for name in head if name in tensors}
        torchvision.import_weights(network, fitting, width, path)

    published = torchvision.NETWORKS[model].conventions
    return Pretrained(published, num_classes, give_to)


def _read_keras(path: Path, model: str, width: float) -> Pretrained:
    content = read_keras_file(path)
    is_applications = model == "mobilenet_v2" and "Conv1" in content.layers
    head = keras_applications.HEAD if is_applications else "logits"
    num_classes = _length(content.layers.get(head, [None])[-1])

    def give_to(network: keras.Model) -> None:
        names = {x.name: x.name for x in network.layers if x.weights}
        if is_applications:
            names = keras_applications.mobilenet_v2_names()
            if num_classes is not None:
                names["logits"] = head
        layers = dict(content.layers)
        logits = network.get_layer("logits").get_weights()
        if num_classes not in (None, _length(logits[-1])):
            layers[head] = logits
        import_layers(network, layers, names, width, path)

    return Pretrained(
        conventions.KERAS_APPLICATIONS if is_applications else conventions_of(content),
        num_classes,
        give_to,
    )


def _length(bias: np.ndarray | None) -> int | None:
    return None if bias is None or bias.ndim != 1 else len(bias)
