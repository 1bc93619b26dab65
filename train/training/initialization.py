"""What a training begins with: a network, and weights that are random or are not."""

import dataclasses
from pathlib import Path
from typing import Any

from absl import logging

from corallite.train.framework.keras import keras
from corallite.train.models import registry
from corallite.train.models.blocks import OURS, Conventions
from corallite.train.runs.stage import hash_file
from corallite.train.training.recipe import Transfer
from corallite.train.weights.imagenet import locate_imagenet
from corallite.train.weights.pretrained import Pretrained, read_pretrained


@dataclasses.dataclass(frozen=True)
class Network:
    """Which network: a name of the registry, its width and the image's sides.

    Its conventions are those of the weights that it began with, if it did with any.
    """

    model: str
    width: float
    size_hw: tuple[int, int]
    conventions: Conventions = OURS

    def build(self, num_classes: int) -> keras.Model:
        return registry.build(
            self.model,
            (*self.size_hw, 3),
            num_classes,
            width=self.width,
            conventions=self.conventions,
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the fields; conventions only if they are others than ours."""
        fields = dataclasses.asdict(self)
        if self.conventions == OURS:
            del fields["conventions"]
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Network":
        """Returns the network of what `to_json` returned, more fields aside."""
        conventions: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in fields.get("conventions", {}).items()
        }
        return cls(
            fields["model"],
            fields["width"],
            tuple(fields["size_hw"]),
            Conventions(**conventions),
        )


@dataclasses.dataclass(frozen=True)
class Start:
    """A network and its first weights.

    Attributes:
        network: With the conventions of the weights.
        transfer: How the weights are treated; None if they are random.
        path: File of the weights; None if they are random.
        pretrained: What the file holds; None if they are random.
    """

    network: Network
    transfer: Transfer | None = None
    path: Path | None = None
    pretrained: Pretrained | None = None

    def build(self, num_classes: int) -> keras.Model:
        """Returns the network with its first weights.

        A head of another number of classes begins at random. Batch norms that come with
        averages keep them, and are not trained: a few hundred photos give others, and
        the kernels that were trained with those averages are worth nothing with these
        (EfficientNet-Lite0 on 400 images: 0.54 in place of 0.83 right).

        Raises:
            RequestError: The weights do not fit; names the first tensor.
        """
        model = self.network.build(num_classes)
        if self.pretrained is not None:
            self.pretrained.give_to(model)
            for layer in model.layers:
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.trainable = False
        return model

    def to_json(self) -> dict[str, Any]:
        """Returns what distinguishes it from another start; nothing if it is random."""
        if self.transfer is None or self.path is None:
            return {}
        # Enough digits to tell files apart, few enough for a sentence.
        digest = hash_file(self.path)[:16]
        return {"weights": digest, "frozen_epochs": self.transfer.frozen_epochs}


# What `Start.to_json` may return of a training that began at random.
RANDOM = {"weights": None, "frozen_epochs": None}


def prepare_start(network: Network, transfer: Transfer | None) -> Start:
    """Reads the weights that a training begins with, and sees whether they fit.

    Raises:
        FileNotFoundError: There is no such file.
        RequestError: There is no such network. Or the file is damaged or one of another
            network; names the first tensor that does not fit. Or ImageNet weights
            cannot be fetched.
    """
    registry.check(network.model, (*network.size_hw, 3), 2, width=network.width)
    if transfer is None:
        return Start(network)
    path = _locate(transfer.weights, network)
    pretrained = read_pretrained(path, network.model, network.width)
    network = dataclasses.replace(network, conventions=pretrained.conventions)
    start = Start(network, transfer, path, pretrained)
    start.build(max(2, pretrained.num_classes or 0))
    return start


def log_start(start: Start, num_classes: int) -> None:
    """Says which weights are used and what becomes of their head."""
    if start.pretrained is None:
        return
    theirs = start.pretrained.num_classes
    if theirs == num_classes:
        head = f"its head of {num_classes} classes is kept"
    else:
        head = f"its head of {theirs or 'no'} classes gives way to one of {num_classes}"
    logging.info("Weights of %s; %s.", start.path, head)


def _locate(weights: str, network: Network) -> Path:
    if weights == "imagenet":
        return locate_imagenet(network.model, network.width)
    return Path(weights)
