"""The registry entry of a network; `registry` lists the entries."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from corallite.train.framework.keras import keras
from corallite.train.models.blocks import Conventions

Order = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class PublishedLayer:
    """A convolution with its batch norm, or a layer with a bias: its names.

    Attributes:
        layer: Our name; its batch norm's is the same with `_bn`.
        convolution: The published name of the convolution or the dense layer.
        norm: The published name of the batch norm; "" if it has a bias instead.
        inputs: The published number of each of our input channels; None if they are
            equal.
        outputs: The same of our output channels.
    """

    layer: str
    convolution: str
    norm: str = ""
    inputs: Order | None = None
    outputs: Order | None = None


@dataclasses.dataclass(frozen=True)
class WeightFile:
    """A file of weights that were trained on ImageNet.

    Attributes:
        address: URL; "" if it can only be installed.
        sha256: First digits of its hash, as many as are published.
        package: Python package that carries the same file; "" if there is none.
        member: The file's path in the package.
    """

    address: str = ""
    sha256: str = ""
    package: str = ""
    member: str = ""

    @property
    def name(self) -> str:
        """The file's name."""
        return (self.address or self.member).rpartition("/")[2]


@dataclasses.dataclass(frozen=True)
class WeightSource:
    """A library whose weights fit a network.

    Attributes:
        layers: Returns every layer but the last, for a configuration of the network.
        dense: The published name of the last layer.
        conventions: Those with which our network is the same function.
        imagenet: Files of weights by the network's width.
    """

    layers: Callable[[Any], Iterable[PublishedLayer]]
    dense: str
    conventions: Conventions
    imagenet: Mapping[float, WeightFile] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class PublishedCost:
    """The published cost of a network.

    Attributes:
        width: Width of the network.
        parameters: Trainable ones.
        macs_m: Multiply-accumulates, in millions.
        tolerance: Fraction by which `macs_m` may differ from the counted ones.
        side: Height and width of the image, in pixels.
        classes: Number of classes.
    """

    width: float
    parameters: int
    macs_m: float
    tolerance: float = 0.02
    side: int = 224
    classes: int = 1000


@dataclasses.dataclass(frozen=True)
class NetworkEntry:
    """A network.

    Attributes:
        build: Function of input shape, classes, `width` or `config`, `dropout` and
            `conventions`; its name is the network's.
        configure: Returns the widths of all blocks, a dataclass, for a width.
        torch_weights: Weights in PyTorch checkpoints; None if there are none.
        keras_weights: Weights in `.h5` files of a library; None if there are none.
        list_strides: Yields the name and the stride of every block of a configuration,
            if one of other widths can inherit the ImageNet weights; else nothing.
        published: Costs, to compare with.
        smallest_side: Least height and width of an image, in pixels.
        shrinks_less: Whether a small image is shrunk less than published, so that at
            least 4 pixels per side are left.
    """

    build: Callable[..., keras.Model]
    configure: Callable[[float], Any]
    torch_weights: WeightSource | None = None
    keras_weights: WeightSource | None = None
    list_strides: Callable[[Any], Iterable[tuple[str, int]]] = lambda config: ()
    published: tuple[PublishedCost, ...] = ()
    smallest_side: int = 32
    shrinks_less: bool = True

    @property
    def name(self) -> str:
        return self.build.__name__

    @property
    def imagenet(self) -> dict[float, WeightFile]:
        """The files of ImageNet weights by width; those of PyTorch come first."""
        sources = [x for x in (self.keras_weights, self.torch_weights) if x is not None]
        return {w: file for x in sources for w, file in x.imagenet.items()}
