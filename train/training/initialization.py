"""Initializes a network for training, with random or with pretrained weights."""

import dataclasses
from pathlib import Path
from typing import Any

from absl import logging

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras
from corallite.train.models import registry
from corallite.train.models.network import Network
from corallite.train.runs.record import hash_file
from corallite.train.training.recipe import Transfer
from corallite.train.weights.imagenet import locate_imagenet
from corallite.train.weights.inherit import inherit
from corallite.train.weights.pretrained import Pretrained, read_pretrained


@dataclasses.dataclass(frozen=True)
class Initialization:
    """A network and its initial weights.

    Attributes:
        network: With the conventions of the weights, if all of them fit.
        transfer: How to treat the weights; None if they are random.
        path: File of the weights; None if they are random.
        pretrained: Content of the file; None if they are random.
    """

    network: Network
    transfer: Transfer | None = None
    path: Path | None = None
    pretrained: Pretrained | None = None

    @property
    def is_pretrained(self) -> bool:
        """Whether all weights are pretrained, but perhaps for those of the head."""
        return self.pretrained is not None and self.pretrained.is_whole

    def build(self, num_classes: int) -> keras.Model:
        """Returns the network with its initial weights.

        A head with another number of classes is initialized at random. Pretrained batch
        norms keep their averages and are not trained: a few hundred photos have other
        averages, and the pretrained kernels do not fit them (EfficientNet-Lite0 on 400
        images: accuracy 0.54 instead of 0.83). Where only some weights fit, all are
        trained.

        Raises:
            RequestError: The weights do not fit; names the first tensor.
        """
        model = self.network.build(num_classes)
        if self.pretrained is not None:
            self.pretrained.give_to(model)
        if self.is_pretrained:
            for layer in model.layers:
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.trainable = False
        return model

    def needs_head(self, num_classes: int) -> bool:
        """Whether the weights come without a head for so many classes."""
        if self.pretrained is None or not self.pretrained.is_whole:
            return False
        return self.pretrained.num_classes != num_classes

    def may_freeze(self, num_classes: int) -> bool:
        """Whether few images decide that only a head for so many classes is fitted."""
        if self.transfer is None or self.transfer.is_frozen is not None:
            return self.is_frozen
        return self.needs_head(num_classes)

    def for_teacher(self) -> "Initialization":
        """Returns the same, with all layers trained: a teacher says more than labels.

        Raises:
            RequestError: Only the head is to be fitted.
        """
        if self.is_frozen:
            raise RequestError(
                "--freeze leaves no layers for --teacher to teach; omit one of them."
            )
        return self.decide(is_frozen=False)

    def decide(self, *, is_frozen: bool) -> "Initialization":
        """Returns the same, with this in place of `Transfer.is_frozen` None."""
        if self.transfer is None or self.transfer.is_frozen is not None:
            return self
        transfer = dataclasses.replace(self.transfer, is_frozen=is_frozen)
        return dataclasses.replace(self, transfer=transfer)

    @property
    def is_frozen(self) -> bool:
        """Whether only the head is fitted."""
        return self.transfer is not None and bool(self.transfer.is_frozen)

    def to_json(self) -> dict[str, Any]:
        """Returns what identifies the weights; empty if they are random."""
        if self.transfer is None or self.path is None:
            return {}
        # Enough digits to distinguish files, few enough for a message.
        digest = hash_file(self.path)[:16]
        return {"weights": digest, "frozen": self.is_frozen}


# Side in pixels. Weights of 224 pixels know little of smaller images, for which
# networks shrink an image less.
_SMALLEST_PRETRAINED = 96
# Of the weights that networks of other widths inherit.
_PUBLISHED_WIDTH = 1.0
# The values of `Initialization.to_json` that mean random weights.
RANDOM = {"weights": None, "frozen": None}


def initialize(network: Network, transfer: Transfer | None) -> Initialization:
    """Reads the initial weights of a training, and checks whether they fit.

    Raises:
        RequestError: There is no such network or file, or the file is damaged, or
            ImageNet weights cannot be downloaded, or the weights are of another
            network; then the message names the first tensor that does not fit.
    """
    registry.check(network.model, (*network.size_hw, 3), 2, width=network.width)
    is_small = min(network.size_hw) < _SMALLEST_PRETRAINED
    if transfer is None:
        return Initialization(network)
    if transfer.weights == "auto" and is_small:
        if transfer.is_frozen:
            raise RequestError(
                "--freeze needs pretrained weights, and --weights=auto is random below "
                f"{_SMALLEST_PRETRAINED} pixels; give --weights=imagenet."
            )
        return Initialization(network)
    path = Path(transfer.weights)
    if transfer.weights in ("auto", "imagenet"):
        if network.config is not None:
            return _inherit(network, transfer)
        path = locate_imagenet(network.model, network.width)
    elif not path.exists():
        raise RequestError(
            f"--weights: {path} is neither a file nor one of imagenet, random, auto; "
            "check the path."
        )
    pretrained = read_pretrained(path, network.model, network.width)
    network = dataclasses.replace(network, conventions=pretrained.conventions)
    initialization = Initialization(network, transfer, path, pretrained)
    initialization.build(max(2, pretrained.num_classes or 0))
    return initialization


def _inherit(network: Network, transfer: Transfer) -> Initialization:
    """Initializes a network of its own widths with what fits of the ImageNet weights.

    Raises:
        RequestError: None fit though they are asked for, or no others are to be
            trained.
    """
    can_inherit = any(registry.NETWORKS[network.model].list_strides(network.config))
    if transfer.is_frozen or not (can_inherit or transfer.weights == "auto"):
        raise RequestError(
            f"ImageNet weights of {network.model} do not fit a network of other "
            "widths; omit --freeze and --weights, or give the model.h5 of a run of the "
            "same network."
        )
    if not can_inherit:
        return Initialization(network)
    path = locate_imagenet(network.model, _PUBLISHED_WIDTH)
    donor = read_pretrained(path, network.model, _PUBLISHED_WIDTH)
    transfer = dataclasses.replace(transfer, is_frozen=False)
    return Initialization(network, transfer, path, inherit(network, donor))


def log_initialization(initialization: Initialization, num_classes: int) -> None:
    """Logs which weights are used, and which of them are trained."""
    if initialization.pretrained is None:
        logging.info("Training begins with random weights.")
        return
    if not initialization.is_pretrained:
        logging.info("Weights of %s, as far as they fit.", initialization.path)
        return
    count = initialization.pretrained.num_classes
    head = f"a new head of {num_classes} classes replaces that of {count or 'no'}"
    if initialization.is_frozen:
        head += ", and only it is fitted; --nofreeze trains all layers"
    elif count == num_classes:
        head = f"its head of {num_classes} classes is kept"
    logging.info("Weights of %s; %s.", initialization.path, head)
