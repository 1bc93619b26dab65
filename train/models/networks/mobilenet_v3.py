"""MobileNetV3, in full and minimalistic.

Howard et al., 2019, arXiv:1905.02244, Tables 1 and 2. In full it has squeeze-and-excite
with hard-sigmoid, hard-swish and 5x5 kernels. At 224 pixels and 1,000 classes, large:
5.48 M parameters and 217 M multiply-accumulates (the paper's 5.4 M and 219 M); small:
2.54 M and 56.5 M (2.5 M and 56 M). int8 runtimes on CPUs have an operator for
hard-swish; the Edge TPU has none and computes only the layers before the first.

Minimalistic leaves these three out, as in keras.applications,
`MobileNetV3Large(minimalistic=True)`, and suits int8 accelerators: every operator is
predicted to map to the Edge TPU. 3.92 M parameters and 209 M multiply-accumulates
(large), 2.04 M and 52 M (small; published as 65 M, which its layers do not have).
"""

from collections.abc import Iterator
from typing import NamedTuple

from corallite.train.framework.keras import keras
from corallite.train.models import blocks, entry
from corallite.train.models.blocks import HARD_SWISH, OURS, RELU
from corallite.train.models.entry import PublishedLayer
from corallite.train.models.networks import inverted_residuals
from corallite.train.models.networks.inverted_residuals import Block, Config


class Row(NamedTuple):
    """A row of the tables.

    Attributes:
        inner: Channels of the depthwise convolution.
        channels: Output channels.
        stride: Stride of the depthwise convolution.
        kernel: Its height and width.
        squeezes: Whether squeeze-and-excite follows it.
        activation: RELU or HARD_SWISH.
    """

    inner: int
    channels: int
    stride: int
    kernel: int = 3
    squeezes: bool = False
    activation: str = RELU


Stages = tuple[tuple[Row, ...], ...]
# Table 1. The first block has no expansion.
LARGE: Stages = (
    (Row(16, 16, 1),),
    (Row(64, 24, 2), Row(72, 24, 1)),
    (Row(72, 40, 2, 5, True), Row(120, 40, 1, 5, True), Row(120, 40, 1, 5, True)),
    (
        Row(240, 80, 2, activation=HARD_SWISH),
        Row(200, 80, 1, activation=HARD_SWISH),
        Row(184, 80, 1, activation=HARD_SWISH),
        Row(184, 80, 1, activation=HARD_SWISH),
    ),
    (Row(480, 112, 1, 3, True, HARD_SWISH), Row(672, 112, 1, 3, True, HARD_SWISH)),
    (
        Row(672, 160, 2, 5, True, HARD_SWISH),
        Row(960, 160, 1, 5, True, HARD_SWISH),
        Row(960, 160, 1, 5, True, HARD_SWISH),
    ),
)
# Table 2.
SMALL: Stages = (
    (Row(16, 16, 2, 3, True),),
    (Row(72, 24, 2), Row(88, 24, 1)),
    (
        Row(96, 40, 2, 5, True, HARD_SWISH),
        Row(240, 40, 1, 5, True, HARD_SWISH),
        Row(240, 40, 1, 5, True, HARD_SWISH),
    ),
    (Row(120, 48, 1, 5, True, HARD_SWISH), Row(144, 48, 1, 5, True, HARD_SWISH)),
    (
        Row(288, 96, 2, 5, True, HARD_SWISH),
        Row(576, 96, 1, 5, True, HARD_SWISH),
        Row(576, 96, 1, 5, True, HARD_SWISH),
    ),
)
# Of the last convolution, for each channel of the last block.
_LAST = 6
# Outputs of the dense layer before the logits.
_LARGE_HIDDEN, _SMALL_HIDDEN = 1280, 1024
# torchvision/models/mobilenetv3.py.
TORCHVISION = blocks.Conventions(
    padding="symmetric",
    epsilon=1e-3,
    relu_limit=None,
    mean=blocks.IMAGENET_MEAN,
    deviation=blocks.IMAGENET_DEVIATION,
)
_URL = "https://download.pytorch.org/models/"


def mobilenet_v3_large(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.2, conventions=OURS
) -> keras.Model:
    """Builds MobileNetV3-Large; small images are shrunk less, as in `mobilenet_v2`.

    Args:
        input_shape: (height, width, 3), at least 32 pixels per side. The input is
            float32 `[batch, height, width, 3]`, RGB, pixel/255.
        num_classes: Number of classes, 2 or more.
        width: Multiplies the channels of every layer but the stem's 16 and, below 1.0,
            the dense layer's before the logits.
        config: `Config`, the channels of every block; by default those of `width`.
        dropout: Fraction of the dense layer's outputs dropped in training.
        conventions: Those of the library that the weights come from, if any.

    Returns:
        A flat functional model; its output is softmax probabilities.

    Raises:
        ValueError: An argument is out of its range.
    """
    return inverted_residuals.build_network(
        LARGE_ENTRY, input_shape, num_classes, width, config, dropout, conventions
    )


def mobilenet_v3_small(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.2, conventions=OURS
) -> keras.Model:
    """Builds MobileNetV3-Small; see `mobilenet_v3_large`."""
    return inverted_residuals.build_network(
        SMALL_ENTRY, input_shape, num_classes, width, config, dropout, conventions
    )


def mobilenet_v3_large_minimalistic(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.2, conventions=OURS
) -> keras.Model:
    """Builds minimalistic MobileNetV3-Large; see `mobilenet_v3_large`."""
    entry = LARGE_MINIMALISTIC_ENTRY
    return inverted_residuals.build_network(
        entry, input_shape, num_classes, width, config, dropout, conventions
    )


def mobilenet_v3_small_minimalistic(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.2, conventions=OURS
) -> keras.Model:
    """Builds minimalistic MobileNetV3-Small; see `mobilenet_v3_large`."""
    entry = SMALL_MINIMALISTIC_ENTRY
    return inverted_residuals.build_network(
        entry, input_shape, num_classes, width, config, dropout, conventions
    )


def configure_large(width: float) -> Config:
    """Returns every block of MobileNetV3-Large for a width."""
    return _configure(LARGE, width, _LARGE_HIDDEN, HARD_SWISH)


def configure_small(width: float) -> Config:
    """Returns every block of MobileNetV3-Small for a width."""
    return _configure(SMALL, width, _SMALL_HIDDEN, HARD_SWISH)


def configure_large_minimalistic(width: float) -> Config:
    """Returns every block of minimalistic MobileNetV3-Large for a width."""
    return _configure(_simplify(LARGE), width, _LARGE_HIDDEN, RELU)


def configure_small_minimalistic(width: float) -> Config:
    """Returns every block of minimalistic MobileNetV3-Small for a width."""
    return _configure(_simplify(SMALL), width, _SMALL_HIDDEN, RELU)


def _simplify(table: Stages) -> Stages:
    """Returns rows with a kernel of 3, ReLU and no squeeze-and-excite."""
    return tuple(tuple(Row(*row[:3]) for row in rows) for rows in table)


def _configure(table: Stages, width: float, hidden: int, activation: str) -> Config:
    """Returns blocks with the table's expansions of thinner or wider inputs."""
    stages: list[tuple[Block, ...]] = []
    published = channels = 16
    for rows in table:
        stage: list[Block] = []
        for row in rows:
            expanded = blocks.make_divisible(channels * row.inner / published)
            published, channels = row.channels, blocks.make_divisible(row[1] * width)
            # A quarter, as in torchvision.
            squeezed = blocks.make_divisible(expanded // 4) if row.squeezes else None
            is_first = not stages and not stage
            inner = None if is_first else expanded
            stage.append(Block(channels, inner, *row[2:4], squeezed, row.activation))
        stages.append(tuple(stage))
    last = blocks.make_divisible(channels * _LAST)
    hidden = blocks.make_divisible(hidden * max(1.0, width))
    return Config(16, tuple(stages), last, hidden, activation)


def torchvision_layers(config: Config) -> Iterator[PublishedLayer]:
    """Yields every layer with weights by torchvision's names, but for the logits."""
    yield PublishedLayer("stem", "features.0.0", "features.0.1")
    number = 0
    for number, (ours, block) in enumerate(inverted_residuals.list_blocks(config), 1):
        names = ["expand"] if block.expanded else []
        names += ["depthwise", *(["squeeze"] if block.squeezed else []), "project"]
        for index, name in enumerate(names):
            module = f"features.{number}.block.{index}"
            if name == "squeeze":
                yield PublishedLayer(f"{ours}_squeeze", f"{module}.fc1")
                yield PublishedLayer(f"{ours}_excite", f"{module}.fc2")
            else:
                yield PublishedLayer(f"{ours}_{name}", f"{module}.0", f"{module}.1")
    yield PublishedLayer("last", f"features.{number + 1}.0", f"features.{number + 1}.1")
    yield PublishedLayer("hidden", "classifier.0")


def _source(file: str, digits: str) -> entry.WeightSource:
    """Returns torchvision's weights: of its files, the first published ones."""
    weights = entry.WeightFile(f"{_URL}{file}-{digits}.pth", digits)
    return entry.WeightSource(
        torchvision_layers, "classifier.3", TORCHVISION, {1.0: weights}
    )


# Parameters as torchvision counts them; multiply-accumulates of Tables 3 and 4.
LARGE_ENTRY = entry.NetworkEntry(
    mobilenet_v3_large,
    configure_large,
    torch_weights=_source("mobilenet_v3_large", "8738ca79"),
    published=(entry.PublishedCost(1.0, 5_483_032, 219),),
)
SMALL_ENTRY = entry.NetworkEntry(
    mobilenet_v3_small,
    configure_small,
    torch_weights=_source("mobilenet_v3_small", "047dcff4"),
    published=(entry.PublishedCost(1.0, 2_542_856, 56),),
)
# Parameters and multiply-accumulates as keras.applications builds them.
LARGE_MINIMALISTIC_ENTRY = entry.NetworkEntry(
    mobilenet_v3_large_minimalistic,
    configure_large_minimalistic,
    published=(entry.PublishedCost(1.0, 3_924_288, 209),),
)
SMALL_MINIMALISTIC_ENTRY = entry.NetworkEntry(
    mobilenet_v3_small_minimalistic,
    configure_small_minimalistic,
    published=(entry.PublishedCost(1.0, 2_044_736, 52.3),),
)
ENTRIES = (
    LARGE_ENTRY,
    SMALL_ENTRY,
    LARGE_MINIMALISTIC_ENTRY,
    SMALL_MINIMALISTIC_ENTRY,
)
