"""ShuffleNetV2, with other depths and widths."""

import functools

from corallite.convert.search.space.operator_list import OperatorList
from corallite.convert.search.space.shape import (
    Choices,
    Family,
    Shape,
    round_channels,
)
from corallite.device.benchmark.layers.operator import Operator
from corallite.train.models import blocks
from corallite.train.models.networks import shufflenet_v2
from corallite.train.models.networks.channel_routing import Slice, route_stage
from corallite.train.models.networks.shufflenet_v2 import Config, Stage

# Fewest and most units of each stage.
_DEPTHS = ((1, 5), (2, 8), (1, 5))
# Of a stage, both branches together, by the width of what is before.
_WIDER = (1.0, 5.0)
_LAST = (1.0, 6.0)
_MOST_INPUTS = 5

_route = functools.lru_cache(maxsize=512)(route_stage)


def suggest(choices: Choices) -> Shape:
    """Chooses a shape."""
    shape: dict = {}
    for number, depths in enumerate(_DEPTHS, 2):
        shape[f"depth{number}"] = choices.suggest_int(
            f"shuffled.depth{number}", *depths
        )
        name = f"wider{number}"
        shape[name] = choices.suggest_float(f"shuffled.{name}", *_WIDER)
    shape["last"] = choices.suggest_float("shuffled.last", *_LAST)
    return shape


def configure(shape: Shape, scale: float, side: int) -> Config:
    """Returns the widths of all units; the stem has `scale` channels."""
    stages, width = [], scale
    for number in range(2, len(_DEPTHS) + 2):
        width *= shape[f"wider{number}"]
        branch = round_channels(width / 2)
        stages.append(Stage(branch, (branch,) * shape[f"depth{number}"]))
    last = round_channels(width * shape["last"])
    return Config(round_channels(scale), tuple(stages), last)


def list_operators(config: Config, side: int, num_classes: int) -> list[Operator]:
    """Returns the operators of the int8 file."""
    x = OperatorList(side)
    stride = blocks.stem_stride((side, side), later_stride=8)
    x.conv(config.stem, 3, stride=min(stride, 2), activation="relu6")
    if stride == 4:
        x.max_pool(3, 2)
    for stage in config.stages:
        _add_stage(x, stage)
    x.conv(config.last, 1, activation="relu6")
    x.classify(num_classes)
    return x.operators


def _add_stage(x: OperatorList, stage: Stage) -> None:
    shortcut = x.branch()
    _add_depthwise(shortcut, stage.branch, 2)
    _add_branch(x, stage.units[0], stage.branch, 2)
    routing = _route(len(stage.units), stage.branch)
    for number, inner in enumerate(stage.units[1:], 1):
        _gather(x, stage.branch, routing.reads[number - 1])
        _add_branch(x, inner, stage.branch, 1)
    _gather(x, stage.branch, routing.reads[-1])


def _add_branch(x: OperatorList, inner: int, channels: int, stride: int) -> None:
    x.conv(inner, 1, activation="relu6")
    _add_depthwise(x, channels, stride)


def _add_depthwise(x: OperatorList, channels: int, stride: int) -> None:
    x.depthwise(3, stride=stride)
    x.conv(channels, 1, activation="relu6")


def _gather(x: OperatorList, branch: int, slices: tuple[Slice, ...]) -> None:
    """Adds the slices of branches and their concatenation, nested as in the network."""
    sizes = [piece.stop - piece.start for piece in slices]
    for size in sizes:
        if size != branch:
            x.channels = branch
            x.slice(size)
    while len(sizes) > _MOST_INPUTS:
        x.concat(tuple(sizes[:_MOST_INPUTS]))
        sizes = [sum(sizes[:_MOST_INPUTS]), *sizes[_MOST_INPUTS:]]
    if len(sizes) > 1:
        x.concat(tuple(sizes))
    x.channels = sum(sizes)


FAMILY = Family(
    "shuffled",
    (shufflenet_v2.ENTRY.name,),
    suggest,
    configure,
    list_operators,
)
