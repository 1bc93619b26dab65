"""Residual networks of plain convolutions, as ResNet-8 and ResNet-18 are.

Each stage has its own depth, width and kind of block: two 3x3 convolutions; a 1x1
convolution to fewer channels and one 3x3; or a bottleneck. Without its first stage, a
network does little at full resolution, and so has more channels later.
"""

from corallite.convert.search.space.operator_list import OperatorList
from corallite.convert.search.space.shape import (
    Choices,
    Family,
    Shape,
    is_small,
    round_channels,
)
from corallite.device.benchmark.layers.operator import Operator
from corallite.train.models.networks import resnet
from corallite.train.models.networks.resnet import Block, Config, list_blocks

# Kernels of a block by its name.
KINDS = {"basic": (3, 3), "squeeze": (1, 3), "bottleneck": (1, 3, 1)}
# Fewest and most blocks of each stage.
_DEPTHS = ((0, 2), (1, 4), (1, 4), (0, 3))
# Of a stage, by the width of the one before: the least and the most.
_WIDER = (0.75, 3.0)
# Channels inside a squeeze or a bottleneck, by those outside.
_INNER = (0.25, 1.0)


def suggest(choices: Choices) -> Shape:
    """Chooses a shape."""
    shape: dict = {}
    for number, (least, most) in enumerate(_DEPTHS, 1):
        name = f"depth{number}"
        shape[name] = choices.suggest_int(f"residual.{name}", least, most)
        if not shape[name]:
            continue
        for name, choose in (
            (f"wider{number}", lambda x: choices.suggest_float(x, *_WIDER)),
            (f"kind{number}", lambda x: choices.suggest_categorical(x, list(KINDS))),
            (f"inner{number}", lambda x: choices.suggest_float(x, *_INNER)),
        ):
            shape[name] = choose(f"residual.{name}")
    return shape


def configure(shape: Shape, scale: float, side: int) -> Config:
    """Returns the widths of all blocks; the stem has `scale` channels."""
    stages, width = [], scale
    for number in range(1, len(_DEPTHS) + 1):
        stage: list[Block] = []
        if shape[f"depth{number}"]:
            width *= shape[f"wider{number}"]
            kernels = KINDS[shape[f"kind{number}"]]
            channels = round_channels(width)
            share = 1.0 if len(set(kernels)) == 1 else shape[f"inner{number}"]
            inner = round_channels(width * share)
            strides = [1 if number == 1 else 2, *[1] * (shape[f"depth{number}"] - 1)]
            stage = [Block(channels, inner, stride, kernels) for stride in strides]
        stages.append(tuple(stage))
    return Config(round_channels(scale), tuple(stages), is_small(side))


def list_operators(config: Config, side: int, num_classes: int) -> list[Operator]:
    """Returns the operators of the int8 file."""
    x = OperatorList(side)
    if config.for_small_images:
        x.conv(config.stem, 3, activation="relu")
    else:
        x.conv(config.stem, 7, stride=2, activation="relu")
        x.max_pool(3, 2)
    for _, block in list_blocks(config):
        _add_block(x, block)
    x.classify(num_classes)
    return x.operators


def _add_block(x: OperatorList, block: Block) -> None:
    shortcut = x.branch()
    strided, last = block.kernels.index(3), len(block.kernels) - 1
    for number, kernel in enumerate(block.kernels):
        x.conv(
            block.channels if number == last else block.inner,
            kernel,
            stride=block.stride if number == strided else 1,
            activation="none" if number == last else "relu",
        )
    if block.stride > 1 or shortcut.channels != block.channels:
        shortcut.conv(block.channels, 1, stride=block.stride)
    x.add(activation="relu")


FAMILY = Family(
    "residual",
    (resnet.RESNET8.name, resnet.RESNET18.name),
    suggest,
    configure,
    list_operators,
)
