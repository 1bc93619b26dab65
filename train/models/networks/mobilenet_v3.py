"""MobileNetV3, minimalistic: without squeeze-and-excite, hard-swish and 5x5 kernels.

Howard et al., 2019, arXiv:1905.02244, Tables 1 and 2, for the blocks. What is left out
is as in keras.applications, `MobileNetV3Large(minimalistic=True)`, and suits int8
accelerators: every operator is predicted to map to the Edge TPU. At 224 pixels and
1,000 classes: 3.92 M parameters and 209 M multiply-accumulates (large), 2.04 M and 52 M
(small; published as 65 M, which its layers do not have).
"""

from corallite.train.framework.keras import keras
from corallite.train.models import blocks, entry
from corallite.train.models.blocks import OURS
from corallite.train.models.networks import inverted_residuals
from corallite.train.models.networks.inverted_residuals import Block, Config

# Blocks of each stage: channels inside, output channels, stride.
Stages = tuple[tuple[tuple[int, int, int], ...], ...]
# Table 1. The first block has no expansion.
LARGE: Stages = (
    ((16, 16, 1),),
    ((64, 24, 2), (72, 24, 1)),
    ((72, 40, 2), (120, 40, 1), (120, 40, 1)),
    ((240, 80, 2), (200, 80, 1), (184, 80, 1), (184, 80, 1)),
    ((480, 112, 1), (672, 112, 1)),
    ((672, 160, 2), (960, 160, 1), (960, 160, 1)),
)
# Table 2.
SMALL: Stages = (
    ((16, 16, 2),),
    ((72, 24, 2), (88, 24, 1)),
    ((96, 40, 2), (240, 40, 1), (240, 40, 1)),
    ((120, 48, 1), (144, 48, 1)),
    ((288, 96, 2), (576, 96, 1), (576, 96, 1)),
)
# Of the last convolution, for each channel of the last block.
_LAST = 6


def mobilenet_v3_large_minimalistic(
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
        ENTRIES[0], input_shape, num_classes, width, config, dropout, conventions
    )


def mobilenet_v3_small_minimalistic(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.2, conventions=OURS
) -> keras.Model:
    """Builds MobileNetV3-Small; see `mobilenet_v3_large_minimalistic`."""
    return inverted_residuals.build_network(
        ENTRIES[1], input_shape, num_classes, width, config, dropout, conventions
    )


def configure_large(width: float) -> Config:
    """Returns the channels of every block for a width."""
    return _configure(LARGE, width, hidden=1280)


def configure_small(width: float) -> Config:
    """Returns the channels of every block for a width."""
    return _configure(SMALL, width, hidden=1024)


def _configure(table: Stages, width: float, hidden: int) -> Config:
    """Returns blocks with the table's expansions of thinner or wider inputs."""
    stages: list[tuple[Block, ...]] = []
    published = channels = 16
    for rows in table:
        stage: list[Block] = []
        for inner, output, stride in rows:
            expansion = inner / published
            expanded = blocks.make_divisible(channels * expansion)
            published, channels = output, blocks.make_divisible(output * width)
            is_first = not stages and not stage
            stage.append(Block(channels, None if is_first else expanded, stride, 3))
        stages.append(tuple(stage))
    last = blocks.make_divisible(channels * _LAST)
    hidden = blocks.make_divisible(hidden * max(1.0, width))
    return Config(16, tuple(stages), last, hidden)


ENTRIES = (
    entry.NetworkEntry(
        mobilenet_v3_large_minimalistic,
        configure_large,
        # Parameters and multiply-accumulates as keras.applications builds them.
        published=(entry.PublishedCost(1.0, 3_924_288, 209),),
    ),
    entry.NetworkEntry(
        mobilenet_v3_small_minimalistic,
        configure_small,
        published=(entry.PublishedCost(1.0, 2_044_736, 52.3),),
    ),
)
