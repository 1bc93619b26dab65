"""Builds networks of inverted residuals: stem, stages of blocks, last convolution."""

import dataclasses
from collections.abc import Iterator

from corallite.train.framework.keras import keras
from corallite.train.models import blocks
from corallite.train.models.blocks import RELU
from corallite.train.models.entry import NetworkEntry


@dataclasses.dataclass(frozen=True)
class Block:
    """One inverted residual.

    Attributes:
        channels: Output channels.
        expanded: Channels of the depthwise convolution; None without an expansion.
        stride: Stride of the depthwise convolution.
        kernel: Its height and width.
        squeezed: Channels inside squeeze-and-excite; None without it.
        activation: RELU or HARD_SWISH.
    """

    channels: int
    expanded: int | None
    stride: int
    kernel: int
    squeezed: int | None = None
    activation: str = RELU


@dataclasses.dataclass(frozen=True)
class Config:
    """Channels of the stem and the last convolution; the blocks of each stage.

    Attributes:
        stem: Channels of the stem.
        stages: Blocks.
        last: Channels of the last convolution.
        hidden: Outputs of a dense layer between the pool and the logits; None for none.
        activation: Of these three: RELU or HARD_SWISH.
    """

    stem: int
    stages: tuple[tuple[Block, ...], ...]
    last: int
    hidden: int | None = None
    activation: str = RELU


def configure(table, width: float, stem: int, last: int) -> Config:
    """Returns the blocks of a paper's table, their channels multiplied by `width`.

    Args:
        table: A row for each stage: expansion, output channels, repeats, stride of the
            first block, kernel.
        width: Multiplies the channels of the table.
        stem: Channels of the stem.
        last: Channels of the last convolution.
    """
    stages, input_channels = [], stem
    for expansion, channels, repeats, first_stride, kernel in table:
        channels = blocks.make_divisible(channels * width)
        stage = []
        for stride in (first_stride, *[1] * (repeats - 1)):
            expanded = expansion * input_channels if expansion > 1 else None
            stage.append(Block(channels, expanded, stride, kernel))
            input_channels = channels
        stages.append(tuple(stage))
    return Config(stem, tuple(stages), last)


def list_blocks(config: Config) -> Iterator[tuple[str, Block]]:
    """Yields every block with its name, which is the prefix of its layers' names."""
    for number, stage in enumerate(config.stages, start=1):
        for repeat, block in enumerate(stage):
            yield f"stage{number}_block{repeat}", block


def list_strides(config: Config) -> Iterator[tuple[str, int]]:
    """Yields the name of every block and its stride, for large images."""
    for name, block in list_blocks(config):
        yield name, block.stride


def add_inverted_residual(x, block, name, conventions):
    """Adds 1x1 expansion, depthwise, linear 1x1 projection; a sum where shapes allow.

    MobileNetV2, Figure 3, arXiv:1801.04381; with squeeze-and-excite before the
    projection, MobileNetV3, Figure 4, arXiv:1905.02244. Layers: `name`_expand (if there
    is one), `name`_depthwise, those of `squeeze_excite` (if any), `name`_project and
    `name`_add, with their batch norms.
    """
    shortcut, activation = x, block.activation
    if block.expanded:
        x = conventions.conv_bn(
            x, block.expanded, 1, activation=activation, name=f"{name}_expand"
        )
    x = conventions.depthwise_bn(
        x,
        kernel_size=block.kernel,
        stride=block.stride,
        activation=activation,
        name=f"{name}_depthwise",
    )
    if block.squeezed:
        x = blocks.squeeze_excite(x, block.squeezed, conventions=conventions, name=name)
    x = conventions.conv_bn(
        x, block.channels, 1, activation=None, name=f"{name}_project"
    )
    if block.stride == 1 and shortcut.shape[-1] == block.channels:
        x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def build_network(
    entry: NetworkEntry,
    input_shape,
    num_classes,
    width,
    config,
    dropout,
    conventions,
    add_block=add_inverted_residual,
) -> keras.Model:
    """Builds the network of an entry, such as `mobilenet_v2`.

    `add_block` adds the layers of one `Block`; for the other arguments see there.

    A published network shrinks an image by 32. A smaller image would end as a single
    pixel, so the earliest strides become 1 until the final feature map has at least 4
    pixels per side: below 128 pixels the stem's, below 64 the second stage's as well.
    At 32 pixels the network shrinks by 8 and ends at 4x4.
    """
    blocks.check_arguments(input_shape, num_classes, width, entry.smallest_side)
    config = config or entry.configure(width)
    early_stride = blocks.stem_stride(input_shape[:2], later_stride=8)
    image, x = blocks.input_image(input_shape, conventions)
    stride = 2 if early_stride > 2 else 1
    activation = config.activation
    x = conventions.conv_bn(
        x, config.stem, 3, stride=stride, activation=activation, name="stem"
    )
    for name, block in list_blocks(config):
        if name.startswith("stage2_") and early_stride == 1:
            block = dataclasses.replace(block, stride=1)
        x = add_block(x, block, name, conventions)
    x = conventions.conv_bn(x, config.last, 1, activation=activation, name="last")
    x = blocks.classifier_head(
        x,
        num_classes,
        dropout=dropout,
        hidden=config.hidden,
        activation=activation,
        conventions=conventions,
    )
    return keras.Model(image, x, name=entry.name)
