"""EfficientNet-Lite0: EfficientNet without what integers and accelerators dislike.

Squeeze-and-excitation is left out and swish is ReLU6; the stem and the last stage keep
their size when the network is scaled. Tan and Le, 2019, arXiv:1905.11946, Table 1, for
the stages; tensorflow/tpu, models/official/efficientnet/lite, for the changes. At 224
pixels and 1,000 classes: 4.65 M parameters and 385 M multiply-accumulates.
"""

from corallite.train.framework.keras import keras
from corallite.train.models import blocks

# Expansion, output channels, repeats, stride of the first, kernel: Table 1.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_STEM_CHANNELS = 32
_LAST_CHANNELS = 1280


def efficientnet_lite0(
    input_shape,
    num_classes,
    *,
    width=1.0,
    dropout=0.2,
    conventions=blocks.OURS,
) -> keras.Model:
    """Builds EfficientNet-Lite0.

    Images below 128 pixels are shrunk less, as `mobilenet_v2` does: the stem's stride
    and below 64 pixels the second stage's become 1.

    Args:
        input_shape: (height, width, 3), at least 32 pixels a side. The input is
            float32 `[batch, height, width, 3]`, RGB, pixel/255.
        num_classes: Number of classes, 2 or more.
        width: Multiplies the channels of the stages.
        dropout: Fraction of pooled features dropped in training.
        conventions: Of the library that weights come from, if they do.

    Returns:
        A flat functional model; its output is softmax probabilities.

    Raises:
        ValueError: An argument is out of its range.
    """
    blocks.check_arguments(input_shape, num_classes, width)
    early_stride = blocks.stem_stride(input_shape[:2], later_stride=8)
    image, x = blocks.input_image(input_shape, conventions)
    x = blocks.conv_bn(
        x,
        _STEM_CHANNELS,
        3,
        stride=2 if early_stride > 2 else 1,
        name="stem",
        conventions=conventions,
    )
    for number, (expansion, channels, repeats, stride, kernel) in enumerate(STAGES, 1):
        if number == 2 and early_stride == 1:
            stride = 1
        for repeat in range(repeats):
            x = blocks.inverted_residual(
                x,
                blocks.make_divisible(channels * width),
                expansion,
                stride if repeat == 0 else 1,
                f"stage{number}_block{repeat}",
                kernel_size=kernel,
                conventions=conventions,
            )
    x = blocks.conv_bn(x, _LAST_CHANNELS, 1, name="last", conventions=conventions)
    x = blocks.classifier_head(x, num_classes, dropout=dropout)
    return keras.Model(image, x, name="efficientnet_lite0")
