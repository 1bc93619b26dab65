"""Layers that networks share. Every function adds named layers to a graph."""

import dataclasses
import math

import numpy as np

from corallite.train.framework.keras import keras
from corallite.train.models.hard_swish import HardSwish

# The smallest final feature map, per side, that a network may shrink an image to.
MIN_FEATURE_MAP = 4
RELU, HARD_SWISH = "relu", "hard_swish"


@dataclasses.dataclass(frozen=True)
class Conventions:
    """Details that papers leave open and that differ between libraries.

    Its methods add named layers to a graph.

    Attributes:
        padding: "same" is TensorFlow's. With stride 2 and an even side it pads nothing
            before and one pixel after; "symmetric", PyTorch's, pads one on each side
            of a 3x3 kernel and so centres it on the even pixels instead of the odd.
        epsilon: Epsilon of batch norms.
        relu_limit: 6.0 for ReLU6; None for ReLU.
        mean: Subtracted from red, green and blue in pixel/255; None if the network
            reads pixel/255 itself.
        deviation: Standard deviation, by which the result is divided.
    """

    padding: str = "same"
    epsilon: float = 1e-5
    relu_limit: float | None = 6.0
    mean: tuple[float, float, float] | None = None
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def conv_bn(self, x, filters, kernel_size, *, name, stride=1, activation=RELU):
        """Adds convolution, batch norm and activation: RELU, HARD_SWISH or None.

        Layers: `name`, `name`_bn, and `name`_relu or `name`_swish; before them
        `name`_pad if padding is separate.
        """
        x, padding = self.pad(x, kernel_size, stride, name)
        x = keras.layers.Conv2D(
            filters, kernel_size, stride, padding=padding, use_bias=False, name=name
        )(x)
        return self._normalize(x, name, activation)

    def depthwise_bn(self, x, *, name, kernel_size=3, stride=1, activation=RELU):
        """Adds what `conv_bn` adds, with a depthwise convolution."""
        x, padding = self.pad(x, kernel_size, stride, name)
        x = keras.layers.DepthwiseConv2D(
            kernel_size, stride, padding=padding, use_bias=False, name=name
        )(x)
        return self._normalize(x, name, activation)

    def pad(self, x, kernel_size, stride, name):
        """Returns `x`, padded if necessary, and the padding of the next layer."""
        if self.padding == "same" or stride == 1 or kernel_size == 1:
            return x, "same"
        amount = kernel_size // 2
        return keras.layers.ZeroPadding2D(amount, name=f"{name}_pad")(x), "valid"

    def activate(self, x, name, activation=RELU):
        """Adds an activation: `name`_relu, or `name`_swish for HARD_SWISH."""
        if activation == HARD_SWISH:
            return HardSwish(name=f"{name}_swish")(x)
        return keras.layers.ReLU(self.relu_limit, name=f"{name}_relu")(x)

    def _normalize(self, x, name, activation):
        # Momentum 0.9: Keras's own 0.99 needs hundreds of steps to settle.
        x = keras.layers.BatchNormalization(
            epsilon=self.epsilon, momentum=0.9, name=f"{name}_bn"
        )(x)
        return x if activation is None else self.activate(x, name, activation)


# Epsilon 1e-5 is PyTorch's: Keras's own 1e-3 drowns small variances. ReLU6 bounds the
# range that eight bits have to cover (MobileNetV2, section 4, arXiv:1801.04381).
OURS = Conventions()
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def input_image(input_shape, conventions=OURS):
    """Returns the model's input and the stem's input, normalized if necessary.

    Normalization is a separate 1x1 depthwise convolution, `normalize`. Folded into the
    stem's weights it would be wrong at the border, where the stem pads with zeros:
    after normalization a zero is the mean colour, before it is black.
    """
    image = keras.Input(input_shape, name="image")
    if conventions.mean is None:
        return image, image
    layer = keras.layers.DepthwiseConv2D(1, name="normalize", trainable=False)
    x = layer(image)
    deviation = np.array(conventions.deviation)
    kernel = (1 / deviation).reshape(1, 1, 3, 1)
    layer.set_weights([kernel, -np.array(conventions.mean) / deviation])
    return image, x


def squeeze_excite(x, squeezed, *, name, conventions=OURS):
    """Multiplies each channel by a factor from 0 to 1, computed from all channels.

    MobileNetV3, section 5.3, arXiv:1905.02244: mean over the image, a 1x1 convolution
    to `squeezed` channels with a rectifier, another one back, and hard-sigmoid, which
    is ReLU6(x + 3) / 6. It is three layers that int8 has operators for.
    Layers: `name`_mean, `name`_squeeze, `name`_squeeze_relu, `name`_excite,
    `name`_shift, `name`_clip, `name`_scale and `name`_multiply.
    """
    y = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(x)
    y = keras.layers.Conv2D(squeezed, 1, name=f"{name}_squeeze")(y)
    y = conventions.activate(y, f"{name}_squeeze")
    y = keras.layers.Conv2D(x.shape[-1], 1, name=f"{name}_excite")(y)
    y = keras.layers.Rescaling(1.0, 3.0, name=f"{name}_shift")(y)
    y = keras.layers.ReLU(6.0, name=f"{name}_clip")(y)
    y = keras.layers.Rescaling(1 / 6, name=f"{name}_scale")(y)
    return keras.layers.Multiply(name=f"{name}_multiply")([x, y])


def classifier_head(
    x, num_classes, *, dropout=0.0, hidden=None, activation=RELU, conventions=OURS
):
    """Adds mean over the image, dropout, a dense layer and softmax.

    Layers: pool, hidden and hidden_relu or hidden_swish (with as many outputs as
    `hidden`, if any), dropout (if any), logits, probabilities. The probabilities are
    float32 even in mixed precision, because the loss must not be computed in float16.
    """
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    if hidden:
        x = keras.layers.Dense(hidden, name="hidden")(x)
        x = conventions.activate(x, "hidden", activation)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    x = keras.layers.Dense(num_classes, name="logits")(x)
    return keras.layers.Softmax(name="probabilities", dtype="float32")(x)


def stem_stride(size_hw, later_stride, max_stem_stride=4):
    """Returns the stride of the stem: 4, 2 or 1.

    It is the largest that leaves a final feature map of at least 4 pixels per side, if
    the stages after the stem shrink an image by `later_stride`.
    """
    stride = max_stem_stride
    while stride > 1 and min(size_hw) < MIN_FEATURE_MAP * later_stride * stride:
        stride //= 2
    return stride


def make_divisible(channels, divisor=8):
    """Rounds to a multiple of `divisor`, never down by more than a tenth.

    The rule of the MobileNet family: hardware works on blocks of eight channels.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def check_arguments(input_shape, num_classes, width, smallest_side):
    """Raises `ValueError` if a network cannot be built from the arguments."""
    is_rgb = len(input_shape) == 3 and input_shape[2] == 3
    if not is_rgb or min(input_shape[:2]) < smallest_side:
        raise ValueError(
            "Expected `input_shape` to be (height, width, 3) with at least "
            f"{smallest_side} pixels per side, got {input_shape!r}."
        )
    if num_classes < 2:
        raise ValueError(f"Expected `num_classes` to be 2 or more, got {num_classes}.")
    if not 0 < width < math.inf:
        raise ValueError(f"Expected `width` to be a number above 0, got {width}.")
