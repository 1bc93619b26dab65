"""Networks of inverted residuals, as MobileNetV2 is."""

from corallite.convert.search.space.operator_list import OperatorList
from corallite.convert.search.space.shape import (
    Choices,
    Family,
    Shape,
    round_channels,
)
from corallite.device.benchmark.layers.operator import Operator
from corallite.train.models import blocks
from corallite.train.models.networks import efficientnet_lite, mobilenet_v2
from corallite.train.models.networks.inverted_residuals import (
    Block,
    Config,
    list_blocks,
)

# Fewest and most blocks of each stage. The first has no expansion and no stride; all
# others shrink the image by 2, the second one not if it is small.
_DEPTHS = ((0, 1), (0, 3), (1, 4), (1, 4), (0, 3))
_WIDER = (0.75, 2.5)
_LAST = (1.0, 8.0)
# Without an expansion, 1, a block is a depthwise and a 1x1 convolution.
_EXPANSIONS = (1, 2, 3, 4, 6)
_KERNELS = (3, 5)


def suggest(choices: Choices) -> Shape:
    """Chooses a shape."""
    shape: dict = {}
    for number, (least, most) in enumerate(_DEPTHS, 1):
        name = f"depth{number}"
        shape[name] = choices.suggest_int(f"inverted.{name}", least, most)
        if not shape[name]:
            continue
        prefix = "inverted."
        name = f"wider{number}"
        shape[name] = choices.suggest_float(prefix + name, *_WIDER)
        for name, known in (("expansion", _EXPANSIONS), ("kernel", _KERNELS)):
            name = f"{name}{number}"
            if number > 1:
                shape[name] = choices.suggest_categorical(prefix + name, known)
    shape["last"] = choices.suggest_float("inverted.last", *_LAST)
    return shape


def configure(shape: Shape, scale: float, side: int) -> Config:
    """Returns the widths of all blocks; the stem has `scale` channels."""
    stages, width = [], scale
    before = stem = round_channels(scale)
    for number in range(1, len(_DEPTHS) + 1):
        stage: list[Block] = []
        if shape[f"depth{number}"]:
            width *= shape[f"wider{number}"]
            channels = round_channels(width)
            strides = [1 if number == 1 else 2, *[1] * (shape[f"depth{number}"] - 1)]
            for stride in strides:
                expansion = shape.get(f"expansion{number}", 1)
                expanded = expansion * before if expansion > 1 else None
                kernel = shape.get(f"kernel{number}", 3)
                stage.append(Block(channels, expanded, stride, kernel))
                before = channels
        stages.append(tuple(stage))
    return Config(stem, tuple(stages), round_channels(width * shape["last"]))


def list_operators(config: Config, side: int, num_classes: int) -> list[Operator]:
    """Returns the operators of the int8 file."""
    x = OperatorList(side)
    # As `inverted_residuals.build_network` shrinks small images.
    early_stride = blocks.stem_stride((side, side), later_stride=8)
    x.conv(config.stem, 3, stride=2 if early_stride > 2 else 1, activation="relu6")
    for name, block in list_blocks(config):
        is_early = name.startswith("stage2_") and early_stride == 1
        _add_block(x, block, 1 if is_early else block.stride)
    x.conv(config.last, 1, activation="relu6")
    x.classify(num_classes)
    return x.operators


def _add_block(x: OperatorList, block: Block, stride: int) -> None:
    before = x.channels
    if block.expanded:
        x.conv(block.expanded, 1, activation="relu6")
    x.depthwise(block.kernel, stride=stride, activation="relu6")
    x.conv(block.channels, 1)
    if stride == 1 and before == block.channels:
        x.add()


FAMILY = Family(
    "inverted",
    # The same blocks; large images inherit the ImageNet weights that are installed.
    (mobilenet_v2.ENTRY.name, efficientnet_lite.LITE0.name),
    suggest,
    configure,
    list_operators,
)
