"""Reads weights for one of our networks from a file of any supported kind.

The content of the file determines its kind. The network's entry has the names of layers
in published files; our own files have our names.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras
from corallite.train.models.blocks import Conventions
from corallite.train.models.registry import NETWORKS
from corallite.train.weights import keras_file, torchvision
from corallite.train.weights.other_kinds import name_other_kind, suggest_other_file
from corallite.train.weights.torch_checkpoint import read_checkpoint

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# PyTorch's format since 1.6 is a zip archive, the older one begins with a pickle.
_TORCH_SIGNATURES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """The content of a weights file, for one network.

    Attributes:
        conventions: Those that the weights were trained with; the network must be built
            with them.
        num_classes: Number of classes of the file's head; None if it has no head.
        give_to: Sets the weights of a model of the network. If the model has another
            number of classes, its logits layer is not changed. Raises `RequestError`,
            which names the first tensor that does not fit.
        is_whole: Whether it sets all of these weights, or only those that fit.
    """

    conventions: Conventions
    num_classes: int | None
    give_to: Callable[[keras.Model], None]
    is_whole: bool = True


def read_pretrained(path: Path, model: str, width: float) -> Pretrained:
    """Reads the weights of a network; `give_to` checks whether they fit.

    Args:
        path: A PyTorch checkpoint or an `.h5` of a library that the network's entry
            names, or the `model.h5` of a run's float or pruned stage.
        model: The network's name in the registry.
        width: The network's width.

    Raises:
        FileNotFoundError: There is no such file.
        RequestError: The file is of an unknown kind, or is damaged.
    """
    if path.is_dir():
        raise RequestError(f"{path} is a folder; {suggest_other_file('')}.")
    with path.open("rb") as file:
        begin = file.read(len(_HDF5_SIGNATURE))
    if begin == _HDF5_SIGNATURE:
        return _read_keras(path, model, width)
    kind = name_other_kind(path, begin)
    if begin.startswith(_TORCH_SIGNATURES) and not kind:
        return _read_torch(path, model, width)
    state = f"is {kind}" if kind else "holds no weights"
    raise RequestError(f"{path} {state}; {suggest_other_file(kind)}.")


def _read_torch(path: Path, model: str, width: float) -> Pretrained:
    tensors = read_checkpoint(path)
    source = NETWORKS[model].torch_weights
    if source is None:
        raise RequestError(
            f"{path} is a PyTorch checkpoint, and there is none of {model}; give a "
            "model.h5 of that network."
        )
    head = torchvision.head_names(model)
    num_classes = _length(tensors.get(head[1]))

    def give_to(network: keras.Model) -> None:
        mine = torchvision.export_weights(network, width)
        fitting = dict(tensors)
        if num_classes != _length(mine[head[1]]):
            # Only existing tensors: a head that lacks one is damaged.
            fitting |= {name: mine[name] for name in head if name in tensors}
        torchvision.import_weights(network, fitting, width, path)

    return Pretrained(source.conventions, num_classes, give_to)


def _read_keras(path: Path, model: str, width: float) -> Pretrained:
    content = keras_file.read_keras_file(path)
    source = NETWORKS[model].keras_weights
    layers = list(source.layers(NETWORKS[model].configure(width))) if source else []
    # Otherwise it is one of our own files.
    is_published = bool(layers) and layers[0].convolution in content.layers
    head = source.dense if source and is_published else "logits"
    num_classes = _length(content.layers.get(head, [None])[-1])

    def give_to(network: keras.Model) -> None:
        names = {x.name: x.name for x in network.layers if x.weights}
        if is_published:
            names = {x.layer: x.convolution for x in layers}
            names |= {f"{x.layer}_bn": x.norm for x in layers}
            if num_classes is not None:
                names["logits"] = head
        arrays = dict(content.layers)
        logits = network.get_layer("logits").get_weights()
        if num_classes not in (None, _length(logits[-1])):
            arrays[head] = logits
        keras_file.import_layers(network, arrays, names, width, path)

    conventions = source.conventions if source and is_published else None
    return Pretrained(
        conventions or keras_file.conventions_of(content), num_classes, give_to
    )


def _length(bias: np.ndarray | None) -> int | None:
    return None if bias is None or bias.ndim != 1 else len(bias)
