"""Which network to train: an entry of the registry, and how wide and deep it is."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import json_text
from corallite.train.framework.keras import keras
from corallite.train.models import registry
from corallite.train.models.blocks import OURS, Conventions
from corallite.train.models.configuration import parse_configuration


@dataclasses.dataclass(frozen=True)
class Network:
    """A network: its name in the registry, its width and the size of its images.

    Its conventions are those of its pretrained weights, if any.

    Attributes:
        model: Its name.
        width: Multiplies the channels of the entry's configuration.
        size_hw: Height and width of an image, in pixels.
        conventions: Details that differ between libraries.
        config: The widths of all blocks, in place of those of `width`; None for those.
        file: Where the configuration was read from; "" if it was not.
    """

    model: str
    width: float
    size_hw: tuple[int, int]
    conventions: Conventions = OURS
    config: Any = None
    file: str = dataclasses.field(default="", compare=False)

    def build(self, num_classes: int) -> keras.Model:
        return registry.build(
            self.model,
            (*self.size_hw, 3),
            num_classes,
            width=self.width,
            conventions=self.conventions,
            config=self.config,
        )

    def to_json(self) -> dict[str, Any]:
        """Returns what identifies it, for a record.

        The conventions only if they differ from ours; of a configuration, 16 digits of
        its hash, because a message may have to tell two apart.
        """
        fields = dataclasses.asdict(self)
        del fields["file"]
        if self.conventions == OURS:
            del fields["conventions"]
        del fields["config"]
        if self.config is not None:
            text = json.dumps(dataclasses.asdict(self.config), sort_keys=True)
            fields["config"] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return fields


def describe_network(network: Network) -> dict[str, Any]:
    """Returns what `parse_network` reads.

    Raises:
        ValueError: The images are not square, or there is no configuration.
    """
    height, width = network.size_hw
    if height != width or network.config is None:
        raise ValueError(f"Expected a configuration and square images, got {network}.")
    config = dataclasses.asdict(network.config)
    return {"model": network.model, "image_size": height, "config": config}


def parse_network(content: Any) -> Network:
    """Returns a network.

    Args:
        content: An object: "model", a name in the registry; "image_size" in pixels;
            "config", the fields of that network's `Config`.

    Raises:
        ValueError: `content` is something else.
    """
    if not isinstance(content, dict):
        raise ValueError("expected an object")
    model, side = content.get("model"), content.get("image_size")
    if model not in registry.NETWORKS or type(side) is not int:
        raise ValueError("expected the name of a network and the size of an image")
    kind = type(registry.NETWORKS[model].configure(1.0))
    config = parse_configuration(kind, content.get("config"))
    return Network(model, 1.0, (side, side), config=config)


def write_network(network: Network, path: Path) -> None:
    """Writes the file that `read_network` reads.

    Raises:
        ValueError: As `describe_network`.
    """
    files.write_json(path, describe_network(network))


def read_network(path: Path) -> Network:
    """Reads a network that `corallite search` found, or that you have designed.

    Args:
        path: JSON, see `parse_network`.

    Raises:
        RequestError: The file cannot be read, or is not of a network.
    """
    with files.reporting_unreadable(path, "check its name"):
        text = files.read_limited(path)
    try:
        network = parse_network(json_text.parse(text))
    except ValueError as error:
        raise RequestError(
            f"{path}: does not describe a network ({error}); see docs/train.md."
        ) from error
    return dataclasses.replace(network, file=str(path.resolve()))
