"""GhostNet: inverted residuals of Ghost modules.

Han et al., 2020, arXiv:1911.11907, Table 1; what it leaves open (the shortcuts, the
batch norm after a strided depthwise convolution, no rectifier there) is as in the
authors' code, huawei-noah/Efficient-AI-Backbones, ghostnet_pytorch. At 224 pixels and
1,000 classes: 5.18 M parameters and 141 M multiply-accumulates (the paper's Table 7:
5.2 M and 141 M).
"""

from corallite.train.framework.keras import keras
from corallite.train.models import blocks, entry
from corallite.train.models.blocks import OURS
from corallite.train.models.networks import inverted_residuals
from corallite.train.models.networks.ghost_module import ghost_module
from corallite.train.models.networks.inverted_residuals import Block, Config

# Channels inside, output channels, stride, kernel, whether squeeze-and-excite follows
# the depthwise convolution: Table 1. A stage ends before a stride.
Stages = tuple[tuple[tuple[int, int, int, int, bool], ...], ...]
STAGES: Stages = (
    ((16, 16, 1, 3, False),),
    ((48, 24, 2, 3, False), (72, 24, 1, 3, False)),
    ((72, 40, 2, 5, True), (120, 40, 1, 5, True)),
    (
        (240, 80, 2, 3, False),
        (200, 80, 1, 3, False),
        (184, 80, 1, 3, False),
        (184, 80, 1, 3, False),
        (480, 112, 1, 3, True),
        (672, 112, 1, 3, True),
    ),
    (
        (672, 160, 2, 5, True),
        (960, 160, 1, 5, False),
        (960, 160, 1, 5, True),
        (960, 160, 1, 5, False),
        (960, 160, 1, 5, True),
    ),
)
_LAST, _HIDDEN = 960, 1280
# The authors' code rounds to a multiple of four.
_DIVISOR = 4


def ghostnet(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.2, conventions=OURS
) -> keras.Model:
    """Builds GhostNet; small images are shrunk less, see `inverted_residuals`.

    Below 64 pixels stage 2 has no stride, and so no depthwise convolution for it.

    Args:
        input_shape: (height, width, 3), at least 32 pixels per side. The input is
            float32 `[batch, height, width, 3]`, RGB, pixel/255.
        num_classes: Number of classes, 2 or more.
        width: Multiplies the channels of every layer but the 1,280 before the logits.
        config: `Config`, the channels of every block; by default those of `width`.
        dropout: Fraction of the dense layer's outputs dropped in training.
        conventions: Those of the library that the weights come from, if any.

    Returns:
        A flat functional model; its output is softmax probabilities.

    Raises:
        ValueError: An argument is out of its range.
    """
    return inverted_residuals.build_network(
        ENTRY,
        input_shape,
        num_classes,
        width,
        config,
        dropout,
        conventions,
        add_block=_add_bottleneck,
    )


def configure(width: float) -> Config:
    """Returns the channels of every block for a width."""

    def scale(channels: int) -> int:
        return blocks.make_divisible(channels * width, _DIVISOR)

    def scale_block(inner, channels, stride, kernel, squeezes):
        inner = scale(inner)
        squeezed = blocks.make_divisible(inner / 4, _DIVISOR) if squeezes else None
        return Block(scale(channels), inner, stride, kernel, squeezed)

    stages = tuple(tuple(scale_block(*row) for row in stage) for stage in STAGES)
    return Config(scale(16), stages, scale(_LAST), _HIDDEN)


def _add_bottleneck(x, block, name, conventions):
    """Adds two Ghost modules and their shortcut: Figure 3.

    Layers: `name`_expand, `name`_depthwise (if there is a stride), those of
    `squeeze_excite` (if any), `name`_project and `name`_add.
    """
    shortcut = x
    x = ghost_module(x, block.expanded, conventions=conventions, name=f"{name}_expand")
    if block.stride > 1:
        x = conventions.depthwise_bn(
            x,
            kernel_size=block.kernel,
            stride=block.stride,
            activation=None,
            name=f"{name}_depthwise",
        )
    if block.squeezed:
        x = blocks.squeeze_excite(x, block.squeezed, conventions=conventions, name=name)
    x = ghost_module(
        x,
        block.channels,
        conventions=conventions,
        activation=None,
        name=f"{name}_project",
    )
    if block.stride > 1 or shortcut.shape[-1] != block.channels:
        shortcut = _project(shortcut, block, f"{name}_shortcut", conventions)
    return keras.layers.Add(name=f"{name}_add")([shortcut, x])


def _project(x, block, name, conventions):
    """Adds a depthwise and a 1x1 convolution, without rectifiers."""
    x = conventions.depthwise_bn(
        x,
        kernel_size=block.kernel,
        stride=block.stride,
        activation=None,
        name=f"{name}_depthwise",
    )
    return conventions.conv_bn(x, block.channels, 1, activation=None, name=name)


ENTRY = entry.NetworkEntry(
    ghostnet,
    configure,
    # Table 7 rounds the parameters to 5.2 M.
    published=(entry.PublishedCost(1.0, 5_182_508, 141),),
)
