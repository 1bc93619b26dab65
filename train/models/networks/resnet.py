"""ResNet: residual blocks of plain convolutions, at four sizes.

He et al., 2016, arXiv:1512.03385, Table 1, for ResNet-18, 34 and 50; the stride of a
bottleneck is in its 3x3 convolution, as in torchvision. At 224 pixels and 1,000
classes: 11.7, 21.8 and 25.6 M parameters; 1.81, 3.66 and 4.09 G multiply-accumulates
(the paper's 3.8 G for ResNet-50 has the stride in the first convolution).

ResNet-8 is MLPerf Tiny's for CIFAR-10 (Banbury et al., 2021, arXiv:2106.07597;
mlcommons/tiny, image_classification/keras_model.py): 12.5 M multiply-accumulates at 32
pixels. Its 78,666 parameters count 480 averages of batch norms, and 240 biases before
batch norms, which those cancel and which are left out here.

All four shrink an image as published, whatever its size: at 32 pixels, ResNet-18 ends
as a single pixel.
"""

import dataclasses
from collections.abc import Iterator

from corallite.train.framework.keras import keras
from corallite.train.models import blocks, entry
from corallite.train.models.blocks import OURS
from corallite.train.models.entry import PublishedLayer

# Repeats of each stage, Table 1.
REPEATS = {
    "resnet8": (1, 1, 1),
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
}
_BASIC, _BOTTLENECK = (3, 3), (1, 3, 1)
# Output channels of a bottleneck by those inside.
_EXPANSION = 4
# torchvision/models/resnet.py.
TORCHVISION = blocks.Conventions(
    padding="symmetric",
    relu_limit=None,
    mean=blocks.IMAGENET_MEAN,
    deviation=blocks.IMAGENET_DEVIATION,
)
_URL = "https://download.pytorch.org/models/"


@dataclasses.dataclass(frozen=True)
class Block:
    """One residual block.

    Attributes:
        channels: Output channels.
        inner: Channels of the convolutions before the last.
        stride: Of the first 3x3 convolution and of the shortcut.
        kernels: Height and width of each convolution's kernel.
    """

    channels: int
    inner: int
    stride: int
    kernels: tuple[int, ...] = _BASIC


@dataclasses.dataclass(frozen=True)
class Config:
    """Channels of the stem; the blocks of each stage.

    Attributes:
        stem: Channels of the stem.
        stages: Blocks.
        for_small_images: Whether the stem has a 3x3 kernel, no stride and no pool, and
            shortcuts have a bias and no batch norm: MLPerf Tiny's ResNet-8.
    """

    stem: int
    stages: tuple[tuple[Block, ...], ...]
    for_small_images: bool = False


def resnet8(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.0, conventions=OURS
) -> keras.Model:
    """Builds MLPerf Tiny's ResNet-8; see `resnet18`."""
    arguments = input_shape, num_classes, width, config, dropout, conventions
    return _build(RESNET8, *arguments)


def resnet18(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.0, conventions=OURS
) -> keras.Model:
    """Builds ResNet-18.

    Args:
        input_shape: (height, width, 3), at least 32 pixels per side. The input is
            float32 `[batch, height, width, 3]`, RGB, pixel/255.
        num_classes: Number of classes, 2 or more.
        width: Multiplies the channels of every layer.
        config: `Config`, the channels of every block; by default those of `width`.
        dropout: Fraction of pooled features dropped in training; published: none.
        conventions: Those of the library that the weights come from, if any. Rectifiers
            have no limit, as published, whatever the conventions say.

    Returns:
        A flat functional model; its output is softmax probabilities.

    Raises:
        ValueError: An argument is out of its range.
    """
    arguments = input_shape, num_classes, width, config, dropout, conventions
    return _build(RESNET18, *arguments)


def resnet34(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.0, conventions=OURS
) -> keras.Model:
    """Builds ResNet-34; see `resnet18`."""
    arguments = input_shape, num_classes, width, config, dropout, conventions
    return _build(RESNET34, *arguments)


def resnet50(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.0, conventions=OURS
) -> keras.Model:
    """Builds ResNet-50; see `resnet18`."""
    arguments = input_shape, num_classes, width, config, dropout, conventions
    return _build(RESNET50, *arguments)


def configure_resnet8(width: float) -> Config:
    """Returns the channels of every block for a width."""
    stages = _make_stages("resnet8", 16, width, _BASIC, divisor=4)
    stem = blocks.make_divisible(16 * width, 4)
    return Config(stem, stages, for_small_images=True)


def configure_resnet18(width: float) -> Config:
    """Returns the channels of every block for a width."""
    return _configure("resnet18", width, _BASIC)


def configure_resnet34(width: float) -> Config:
    """Returns the channels of every block for a width."""
    return _configure("resnet34", width, _BASIC)


def configure_resnet50(width: float) -> Config:
    """Returns the channels of every block for a width."""
    return _configure("resnet50", width, _BOTTLENECK)


def _configure(name: str, width: float, kernels: tuple[int, ...]) -> Config:
    stem = blocks.make_divisible(64 * width)
    return Config(stem, _make_stages(name, 64, width, kernels))


def _make_stages(
    name: str, first: int, width: float, kernels: tuple[int, ...], divisor: int = 8
) -> tuple[tuple[Block, ...], ...]:
    """Returns the stages; each has twice the channels of the one before."""
    stages = []
    for number, repeats in enumerate(REPEATS[name]):
        inner = blocks.make_divisible(first * 2**number * width, divisor)
        channels = inner * _EXPANSION if kernels == _BOTTLENECK else inner
        strides = (2 if number else 1, *[1] * (repeats - 1))
        stages.append(tuple(Block(channels, inner, s, kernels) for s in strides))
    return tuple(stages)


def _build(
    network: entry.NetworkEntry,
    input_shape,
    num_classes,
    width,
    config,
    dropout,
    conventions,
) -> keras.Model:
    blocks.check_arguments(input_shape, num_classes, width, network.smallest_side)
    config = config or network.configure(width)
    conventions = dataclasses.replace(conventions, relu_limit=None)
    image, x = blocks.input_image(input_shape, conventions)
    x = _stem(x, config, conventions)
    for name, block in list_blocks(config):
        x = _residual(x, block, name, config, conventions)
    x = blocks.classifier_head(x, num_classes, dropout=dropout)
    return keras.Model(image, x, name=network.name)


def list_blocks(config: Config) -> Iterator[tuple[str, Block]]:
    """Yields every block with its name, which is the prefix of its layers' names."""
    for number, stage in enumerate(config.stages, start=1):
        for repeat, block in enumerate(stage):
            yield f"stage{number}_block{repeat}", block


def _stem(x, config, conventions):
    if config.for_small_images:
        return conventions.conv_bn(x, config.stem, 3, name="stem")
    x = conventions.conv_bn(x, config.stem, 7, stride=2, name="stem")
    # After a rectifier, the zeros of the padding are never the maximum alone.
    x, padding = conventions.pad(x, 3, 2, "stem_pool")
    return keras.layers.MaxPool2D(3, 2, padding=padding, name="stem_pool")(x)


def _residual(x, block, name, config, conventions):
    """Adds the convolutions of a block, its shortcut, their sum and a rectifier.

    Layers: `name`_conv1 and so on, `name`_shortcut if the shape changes, with their
    batch norms; `name`_add and `name`_relu.
    """
    shortcut = x
    strided, last = block.kernels.index(3), len(block.kernels) - 1
    for number, kernel in enumerate(block.kernels):
        x = conventions.conv_bn(
            x,
            block.channels if number == last else block.inner,
            kernel,
            stride=block.stride if number == strided else 1,
            activation=None if number == last else blocks.RELU,
            name=f"{name}_conv{number + 1}",
        )
    if _has_shortcut(block, shortcut.shape[-1]):
        shortcut = _project(shortcut, block, f"{name}_shortcut", config, conventions)
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return keras.layers.ReLU(conventions.relu_limit, name=f"{name}_relu")(x)


def _has_shortcut(block: Block, input_channels: int) -> bool:
    return block.stride > 1 or input_channels != block.channels


def _project(x, block, name, config, conventions):
    if config.for_small_images:
        return keras.layers.Conv2D(block.channels, 1, block.stride, name=name)(x)
    return conventions.conv_bn(
        x, block.channels, 1, stride=block.stride, activation=None, name=name
    )


def torchvision_layers(config: Config) -> Iterator[PublishedLayer]:
    """Yields every convolution by torchvision's names, which follow its modules."""
    yield PublishedLayer("stem", "conv1", "bn1")
    channels = config.stem
    for ours, block in list_blocks(config):
        stage, repeat = ours.removeprefix("stage").split("_block")
        theirs = f"layer{stage}.{repeat}"
        for number in range(1, len(block.kernels) + 1):
            names = f"{theirs}.conv{number}", f"{theirs}.bn{number}"
            yield PublishedLayer(f"{ours}_conv{number}", *names)
        if _has_shortcut(block, channels):
            names = f"{theirs}.downsample.0", f"{theirs}.downsample.1"
            yield PublishedLayer(f"{ours}_shortcut", *names)
        channels = block.channels


def _source(file: str, digits: str) -> entry.WeightSource:
    """Returns torchvision's weights: of its files, the first published ones."""
    weights = entry.WeightFile(f"{_URL}{file}-{digits}.pth", digits)
    return entry.WeightSource(torchvision_layers, "fc", TORCHVISION, {1.0: weights})


RESNET8 = entry.NetworkEntry(
    resnet8,
    configure_resnet8,
    published=(entry.PublishedCost(1.0, 77_946, 12.5, side=32, classes=10),),
    shrinks_less=False,
)
# Parameters and multiply-accumulates as torchvision's documentation states them.
RESNET18 = entry.NetworkEntry(
    resnet18,
    configure_resnet18,
    torch_weights=_source("resnet18", "f37072fd"),
    published=(entry.PublishedCost(1.0, 11_689_512, 1814),),
    shrinks_less=False,
)
RESNET34 = entry.NetworkEntry(
    resnet34,
    configure_resnet34,
    torch_weights=_source("resnet34", "b627a593"),
    published=(entry.PublishedCost(1.0, 21_797_672, 3664),),
    shrinks_less=False,
)
RESNET50 = entry.NetworkEntry(
    resnet50,
    configure_resnet50,
    torch_weights=_source("resnet50", "0676ba61"),
    published=(entry.PublishedCost(1.0, 25_557_032, 4089),),
    shrinks_less=False,
)
ENTRIES = (RESNET8, RESNET18, RESNET34, RESNET50)
