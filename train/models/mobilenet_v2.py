"""MobileNetV2: inverted residuals with linear bottlenecks.

Sandler et al., 2018, arXiv:1801.04381, Table 2. At 224 pixels, width 1.0 and 1,000
classes: 3.50 M parameters and 300 M multiply-accumulates (the paper's Table 4 rounds
to 3.4 M and 300 M).
"""

import functools

from corallite.train.framework.keras import keras
from corallite.train.models import blocks

# Expansion, output channels, repeats, stride of the first: Table 2.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_STEM_CHANNELS = 32
_LAST_CHANNELS = 1280


def mobilenet_v2(
    input_shape,
    num_classes,
    *,
    width=1.0,
    dropout=0.2,
    conventions=blocks.OURS,
) -> keras.Model:
    """Builds MobileNetV2.

    The paper's network shrinks an image by 32. A smaller image would end as a single
    pixel, so the earliest strides become 1 until the final feature map has at least 4
    pixels a side: below 128 pixels the stem's, below 64 the second stage's as well.
    At 32 pixels the network shrinks by 8 and ends at 4x4.

    Args:
        input_shape: (height, width, 3), at least 32 pixels a side. The input is
            float32 `[batch, height, width, 3]`, RGB, pixel/255.
        num_classes: Number of classes, 2 or more.
        width: Multiplies the channels of every layer but, below 1.0, the last
            convolution's 1,280 (section 6.1).
        dropout: Fraction of pooled features dropped in training.
        conventions: Of the library that weights come from, if they do.

    Returns:
        A flat functional model; its output is softmax probabilities.

    Raises:
        ValueError: An argument is out of its range.
    """
    blocks.check_arguments(input_shape, num_classes, width)
    strides = _strides(input_shape[:2])
    image, x = blocks.input_image(input_shape, conventions)
    stem_channels = blocks.make_divisible(_STEM_CHANNELS * width)
    conv_bn = functools.partial(blocks.conv_bn, conventions=conventions)
    x = conv_bn(x, stem_channels, 3, stride=strides[0], name="stem")
    for number, (expansion, channels, repeats, _) in enumerate(STAGES, start=1):
        channels = blocks.make_divisible(channels * width)
        for repeat in range(repeats):
            stride = strides[number] if repeat == 0 else 1
            name = f"stage{number}_block{repeat}"
            x = blocks.inverted_residual(
                x, channels, expansion, stride, name, conventions=conventions
            )
    last_channels = blocks.make_divisible(_LAST_CHANNELS * max(1.0, width))
    x = conv_bn(x, last_channels, 1, name="last")
    x = blocks.classifier_head(x, num_classes, dropout=dropout)
    return keras.Model(image, x, name="mobilenet_v2")


def _strides(size_hw):
    """Returns the strides of the stem and of each stage for an image size."""
    strides = [2, *(stride for *_, stride in STAGES)]
    early_stride = blocks.stem_stride(size_hw, later_stride=8)
    if early_stride < 4:
        strides[0] = 1
    if early_stride < 2:
        strides[2] = 1
    return strides
