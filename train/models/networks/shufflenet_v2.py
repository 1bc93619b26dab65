"""ShuffleNetV2 without its channel shuffle: the same function, less data movement.

Ma et al., 2018, arXiv:1807.11164, Table 5. As published, a unit passes half of its
channels on, sends the other half through its branch and shuffles the two together,
which moves them all. But a channel does not change between the branch that computes it
and the one that reads it: the shuffle only decides which unit reads it. Half of a
branch's channels are read by the next unit, half of the rest by the unit after that,
and the end of the stage reads the remaining ones. So every branch sorts its channels by
reader, and each reader takes one contiguous slice of each earlier branch of its stage.
Each junction shows the share of channels that is read there:

    unit 0   input ─┬─ shortcut ──┬─ 1/2 ──┬─ 1/4 ──┬─ 1/8 ──┬─ 1/8
                    └─ branch ────┼─ 1/2 ──┼─ 1/4 ──┼─ 1/8 ──┼─ 1/8
    unit 1   concat ◀─────────────┘        │        │        │
                └─ branch ─────────────────┼─ 1/2 ──┼─ 1/4 ──┼─ 1/4
    unit 2   concat ◀──────────────────────┘        │        │
                └─ branch ──────────────────────────┼─ 1/2 ──┼─ 1/2
    unit 3   concat ◀───────────────────────────────┘        │
                └─ branch ───────────────────────────────────┼─ all
    end      concat ◀────────────────────────────────────────┘

The order in a concatenation differs from the published one. The weights of its reader
are permuted in the same way, so the function stays the same. `channel_routing` computes
which channel goes where; importing weights uses it.

One difference from the paper, unless `conventions` say otherwise: ReLU6 in place of
ReLU. With all branches of a stage in [0, 6], all slices of an int8 concatenation have
one scale, and nothing has to be requantized.
"""

import dataclasses
from collections.abc import Iterator

from corallite.train.framework.keras import keras
from corallite.train.models import blocks, entry
from corallite.train.models.blocks import OURS
from corallite.train.models.channel_slice import ChannelSlice
from corallite.train.models.entry import PublishedLayer
from corallite.train.models.networks.channel_routing import StageRouting, route_stage

STAGE_UNITS = (4, 8, 4)
# Channels of the stages and of the last convolution: Table 5.
_PUBLISHED_CHANNELS = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
_STEM_CHANNELS = 24
# XNNPACK takes a concatenation of at most five inputs; a wider one runs in the
# reference kernel and cuts the graph in two.
_MAX_CONCAT_INPUTS = 5
# torchvision/models/shufflenetv2.py.
TORCHVISION = blocks.Conventions(
    padding="symmetric",
    relu_limit=None,
    mean=blocks.IMAGENET_MEAN,
    deviation=blocks.IMAGENET_DEVIATION,
)
_URL = "https://download.pytorch.org/models/shufflenetv2_"


@dataclasses.dataclass(frozen=True)
class Stage:
    """The channels of a stage.

    Attributes:
        branch: Output of each branch: half of the stage's channels.
        units: For each unit, the channels inside its branch.
    """

    branch: int
    units: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Config:
    """The channels of every block."""

    stem: int
    stages: tuple[Stage, ...]
    last: int


def shufflenet_v2(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.0, conventions=OURS
) -> keras.Model:
    """Builds ShuffleNetV2 in the shuffle-free form.

    At 224 pixels and 1,000 classes: 1.37, 2.28, 3.50 and 7.39 M parameters and 41,
    146, 299 and 591 M multiply-accumulates for the four published widths (Table 8).

    The paper's stem shrinks an image by 4, the stages by 8. The stem shrinks a small
    image less, so that the final feature map has at least 4 pixels per side: from 128
    pixels a stride-2 convolution and a max pool as published, from 64 the convolution
    alone, from 32 the convolution with stride 1.

    Args:
        input_shape: (height, width, 3), at least 32 pixels per side. The input is
            float32 `[batch, height, width, 3]`, RGB, pixel/255.
        num_classes: Number of classes, 2 or more.
        width: 0.5, 1.0, 1.5 and 2.0 are the published networks; another value scales
            the channels of 1.0.
        config: `Config`, the channels of every block; by default those of `width`.
        dropout: Fraction of pooled features dropped in training.
        conventions: Those of the library that the weights come from, if any.

    Returns:
        A flat functional model; its output is softmax probabilities.

    Raises:
        ValueError: An argument is out of its range.
    """
    blocks.check_arguments(input_shape, num_classes, width, ENTRY.smallest_side)
    config = config or configure(width)
    image, x = blocks.input_image(input_shape, conventions)
    stride = blocks.stem_stride(input_shape[:2], later_stride=8)
    x = _stem(x, config.stem, stride, conventions)
    for number, stage in enumerate(config.stages, start=2):
        x = _stage(x, stage, f"stage{number}", conventions)
    x = conventions.conv_bn(x, config.last, 1, name="last")
    x = blocks.classifier_head(x, num_classes, dropout=dropout)
    return keras.Model(image, x, name=ENTRY.name)


def configure(width: float) -> Config:
    """Returns the channels of every block for a width."""
    *stage_channels, last = channels_of(width)
    stages = tuple(
        Stage(channels // 2, (channels // 2,) * units)
        for channels, units in zip(stage_channels, STAGE_UNITS, strict=True)
    )
    return Config(_STEM_CHANNELS, stages, last)


def channels_of(width: float) -> tuple[int, int, int, int]:
    """Returns the channels of the three stages and of the last convolution."""
    if width in _PUBLISHED_CHANNELS:
        return _PUBLISHED_CHANNELS[width]
    stage2 = max(8, round(116 * width / 4) * 4)
    return stage2, 2 * stage2, 4 * stage2, 1024 if width < 2 else 2048


def _stem(x, channels, stride, conventions):
    x = conventions.conv_bn(x, channels, 3, stride=min(stride, 2), name="stem")
    if stride < 4:
        return x
    # After a rectifier, the zeros of the padding are never the maximum alone.
    x, padding = conventions.pad(x, 3, 2, "stem_pool")
    return keras.layers.MaxPool2D(3, 2, padding=padding, name="stem_pool")(x)


def _stage(x, stage, name, conventions):
    """A unit with stride 2, then units that each read slices of the earlier ones."""
    routing = route_stage(len(stage.units), stage.branch)
    unit, inner = f"{name}_unit0", stage.units[0]
    branches = [
        _depthwise_and_out(x, stage.branch, 2, f"{unit}_shortcut", conventions),
        _branch(x, inner, stage.branch, 2, f"{unit}_branch", conventions),
    ]
    for number, slices in enumerate(routing.reads[:-1], start=1):
        unit, inner = f"{name}_unit{number}", stage.units[number]
        x = _gather(branches, slices, unit)
        branches.append(
            _branch(x, inner, stage.branch, 1, f"{unit}_branch", conventions)
        )
    return _gather(branches, routing.reads[-1], f"{name}_end")


def _branch(x, inner, channels, stride, name, conventions):
    x = conventions.conv_bn(x, inner, 1, name=f"{name}_in")
    return _depthwise_and_out(x, channels, stride, name, conventions)


def _depthwise_and_out(x, channels, stride, name, conventions):
    x = conventions.depthwise_bn(
        x, stride=stride, activation=None, name=f"{name}_depthwise"
    )
    return conventions.conv_bn(x, channels, 1, name=f"{name}_out")


def _gather(branches, slices, name):
    """Concatenates slices of branches, oldest first."""
    pieces = [_take(branches[s.branch], s, f"{name}_from{s.branch}") for s in slices]
    # The oldest slices are the thinnest, so nesting copies little twice.
    nesting = 0
    while len(pieces) > _MAX_CONCAT_INPUTS:
        nesting += 1
        inner = keras.layers.Concatenate(name=f"{name}_concat_old{nesting}")
        pieces = [inner(pieces[:_MAX_CONCAT_INPUTS]), *pieces[_MAX_CONCAT_INPUTS:]]
    if len(pieces) == 1:
        return pieces[0]
    return keras.layers.Concatenate(name=f"{name}_concat")(pieces)


def _take(branch, piece, name):
    """Slices `branch`, unless all of it is read at once."""
    if piece.stop - piece.start == branch.shape[-1]:
        return branch
    return ChannelSlice(piece.start, piece.stop, name=name)(branch)


def torchvision_layers(config: Config) -> Iterator[PublishedLayer]:
    """Yields every convolution by torchvision's names, which follow its modules.

    `stage2.1.branch2.5` is the sixth module of the main branch of the second unit of
    stage 2. Our order of channels differs from the published one (see
    `channel_routing`), so most convolutions also have their orders.
    """
    yield PublishedLayer("stem", "conv1.0", "conv1.1")
    order = None
    for number, stage in enumerate(config.stages, start=2):
        routing = route_stage(len(stage.units), stage.branch)
        yield from _opening_unit(f"stage{number}", order, routing)
        for unit in range(1, len(stage.units)):
            yield from _branch_layers(
                f"stage{number}",
                unit,
                routing.published_input[unit - 1],
                routing.published_channel[unit + 1],
            )
        order = routing.published_input[-1]
    yield PublishedLayer("last", "conv5.0", "conv5.1", inputs=order)


def _opening_unit(
    stage: str, order: entry.Order | None, routing: StageRouting
) -> Iterator[PublishedLayer]:
    ours, theirs = f"{stage}_unit0_shortcut", f"{stage}.0.branch1"
    # A depthwise convolution has the same channels in its input and its output.
    yield PublishedLayer(
        f"{ours}_depthwise", f"{theirs}.0", f"{theirs}.1", outputs=order
    )
    shortcut, main = routing.published_channel[:2]
    yield PublishedLayer(
        f"{ours}_out", f"{theirs}.2", f"{theirs}.3", inputs=order, outputs=shortcut
    )
    yield from _branch_layers(stage, 0, order, main)


def _branch_layers(
    stage: str, unit: int, inputs: entry.Order | None, outputs: entry.Order | None
) -> Iterator[PublishedLayer]:
    ours, theirs = f"{stage}_unit{unit}_branch", f"{stage}.{unit}.branch2"
    yield PublishedLayer(f"{ours}_in", f"{theirs}.0", f"{theirs}.1", inputs=inputs)
    yield PublishedLayer(f"{ours}_depthwise", f"{theirs}.3", f"{theirs}.4")
    yield PublishedLayer(f"{ours}_out", f"{theirs}.5", f"{theirs}.6", outputs=outputs)


ENTRY = entry.NetworkEntry(
    shufflenet_v2,
    configure,
    torch_weights=entry.WeightSource(
        torchvision_layers,
        "fc",
        TORCHVISION,
        {
            0.5: entry.WeightFile(f"{_URL}x0.5-f707e7126e.pth", "f707e7126e"),
            1.0: entry.WeightFile(
                f"{_URL}x1-5666bf0f80.pth",
                "5666bf0f80d1e7f8fb61f6a65742b9c27c37f3208c1f087cdcd7c1ec1aa8b848",
            ),
            1.5: entry.WeightFile(f"{_URL}x1_5-3c479a10.pth", "3c479a10"),
            2.0: entry.WeightFile(f"{_URL}x2_0-8be3c8ee.pth", "8be3c8ee"),
        },
    ),
    # Table 8, which lies 0.8 to 1.3 % above the multiply-accumulates of its own layers:
    # about one operation more for every value that a convolution computes.
    published=(
        entry.PublishedCost(0.5, 1_366_792, 41),
        entry.PublishedCost(1.0, 2_278_604, 146),
        entry.PublishedCost(1.5, 3_503_624, 299),
        entry.PublishedCost(2.0, 7_393_996, 591),
    ),
)
