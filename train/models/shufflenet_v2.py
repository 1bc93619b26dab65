"""ShuffleNetV2 without its channel shuffle: the same function, nothing moved.

Ma et al., 2018, arXiv:1807.11164, Table 5. As published, a unit lets half of its
channels pass, sends the other half through its branch and shuffles the two together,
which moves them all. Yet nothing is done to a channel on its way from the branch that
puts it out to the one that reads it: the shuffle only decides which unit that will be.
Half of a branch's channels are read by the next unit, half of the rest by the one after
that, and the end of the stage reads what is left. So every branch puts out its channels
sorted by reader, and each reader takes one contiguous slice of each earlier branch of
its stage. Behind each junction stands the share that turns off there:

    unit 0   input ─┬─ shortcut ──┬─ 1/2 ──┬─ 1/4 ──┬─ 1/8 ──┬─ 1/8
                    └─ branch ────┼─ 1/2 ──┼─ 1/4 ──┼─ 1/8 ──┼─ 1/8
    unit 1   concat ◀─────────────┘        │        │        │
                └─ branch ─────────────────┼─ 1/2 ──┼─ 1/4 ──┼─ 1/4
    unit 2   concat ◀──────────────────────┘        │        │
                └─ branch ──────────────────────────┼─ 1/2 ──┼─ 1/2
    unit 3   concat ◀───────────────────────────────┘        │
                └─ branch ───────────────────────────────────┼─ all
    end      concat ◀────────────────────────────────────────┘

The order inside a concatenation is another than the published one. What reads it has
its weights in that order too, so the function stays the same. `channel_routing` works
out which channel goes where, and weights are carried over by it.

One deviation from the paper, unless `conventions` say otherwise: ReLU6 in place of
ReLU, because with all branches of a stage in [0, 6] eight bits have one scale for all
slices of a concatenation, and nothing has to be requantized.
"""

from corallite.train.framework.keras import keras
from corallite.train.models import blocks
from corallite.train.models.channel_routing import route_stage
from corallite.train.models.channel_slice import ChannelSlice

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


def shufflenet_v2(
    input_shape,
    num_classes,
    *,
    width=1.0,
    dropout=0.0,
    conventions=blocks.OURS,
) -> keras.Model:
    """Builds ShuffleNetV2 in the shuffle-free form.

    At 224 pixels and 1,000 classes: 1.37, 2.28, 3.50 and 7.39 M parameters and 41,
    146, 299 and 591 M multiply-accumulates for the four published widths (Table 8).

    The paper's stem shrinks an image by 4, the stages by 8. The stem's part becomes
    smaller for small images, so that the final feature map has at least 4 pixels a
    side: from 128 pixels a stride-2 convolution and a max pool as published, from 64
    the convolution alone, from 32 the convolution with stride 1.

    Args:
        input_shape: (height, width, 3), at least 32 pixels a side. The input is
            float32 `[batch, height, width, 3]`, RGB, pixel/255.
        num_classes: Number of classes, 2 or more.
        width: 0.5, 1.0, 1.5 and 2.0 are the published networks; another value scales
            the channels of 1.0.
        dropout: Fraction of pooled features dropped in training.
        conventions: Of the library that weights come from, if they do.

    Returns:
        A flat functional model; its output is softmax probabilities.

    Raises:
        ValueError: An argument is out of its range.
    """
    blocks.check_arguments(input_shape, num_classes, width)
    *stage_channels, last_channels = channels_of(width)
    image, x = blocks.input_image(input_shape, conventions)
    stride = blocks.stem_stride(input_shape[:2], later_stride=8)
    x = _stem(x, stride, conventions)
    for number, (units, channels) in enumerate(
        zip(STAGE_UNITS, stage_channels, strict=True), start=2
    ):
        x = _stage(x, units, channels // 2, f"stage{number}", conventions)
    x = blocks.conv_bn(x, last_channels, 1, name="last", conventions=conventions)
    x = blocks.classifier_head(x, num_classes, dropout=dropout)
    return keras.Model(image, x, name="shufflenet_v2")


def channels_of(width: float) -> tuple[int, int, int, int]:
    """Returns the channels of the three stages and of the last convolution."""
    if width in _PUBLISHED_CHANNELS:
        return _PUBLISHED_CHANNELS[width]
    stage2 = max(8, round(116 * width / 4) * 4)
    return stage2, 2 * stage2, 4 * stage2, 1024 if width < 2 else 2048


def _stem(x, stride, conventions):
    x = blocks.conv_bn(
        x,
        _STEM_CHANNELS,
        3,
        stride=min(stride, 2),
        name="stem",
        conventions=conventions,
    )
    if stride < 4:
        return x
    # Padding with zeros is padding with nothing: a rectifier comes before.
    x, padding = blocks.pad(x, 3, 2, "stem_pool", conventions)
    return keras.layers.MaxPool2D(3, 2, padding=padding, name="stem_pool")(x)


def _stage(x, num_units, branch_channels, name, conventions):
    """A unit with stride 2, then units that each read slices of the earlier ones."""
    routing = route_stage(num_units, branch_channels)
    unit = f"{name}_unit0"
    branches = [
        _depthwise_and_out(x, branch_channels, 2, f"{unit}_shortcut", conventions),
        _branch(x, branch_channels, 2, f"{unit}_branch", conventions),
    ]
    for number, slices in enumerate(routing.reads[:-1], start=1):
        unit = f"{name}_unit{number}"
        x = _gather(branches, slices, unit)
        branches.append(_branch(x, branch_channels, 1, f"{unit}_branch", conventions))
    return _gather(branches, routing.reads[-1], f"{name}_end")


def _branch(x, channels, stride, name, conventions):
    x = blocks.conv_bn(x, channels, 1, name=f"{name}_in", conventions=conventions)
    return _depthwise_and_out(x, channels, stride, name, conventions)


def _depthwise_and_out(x, channels, stride, name, conventions):
    x = blocks.depthwise_bn(
        x, stride=stride, relu=False, name=f"{name}_depthwise", conventions=conventions
    )
    return blocks.conv_bn(x, channels, 1, name=f"{name}_out", conventions=conventions)


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
