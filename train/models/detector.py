"""Adds a head that finds boxes to a classifier: one backbone, two or three outputs.

The head is CenterNet's (Zhou et al., 2019, arXiv:1904.07850): for each cell of 8 x 8
pixels, the probability of each label that a box has its centre there, and one box. The
maps of the backbone meet as in a feature pyramid (Lin et al., 2017, arXiv:1612.03144):
each is brought to the same number of channels, enlarged twofold and added to the next
larger one. All of it are convolutions, sums, ReLU6, nearest-neighbour resizing and the
logistic function, which int8 and the Edge TPU have.
"""

import math

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras
from corallite.train.models import blocks
from corallite.train.models.sigmoid import Sigmoid
from corallite.train.runs.found import BOXES, HEATMAP, STRIDE

_CHANNELS = 64
# So that the heatmap begins with 1 % everywhere: nearly all cells are empty
# (arXiv:1708.02002, section 4.1).
_PRIOR = 0.01


def add_boxes(
    classifier: keras.Model,
    num_labels: int,
    *,
    classifies: bool,
    channels: int = _CHANNELS,
) -> keras.Model:
    """Returns a model that finds boxes, on the layers of a classifier.

    Args:
        classifier: A network of the registry; its layers and weights are shared.
        num_labels: Labels of boxes, 1 or more.
        classifies: Keep the classifier's output as the last one.
        channels: Of the head.

    Returns:
        A flat functional model of float32 `[batch, height, width, 3]`, RGB, pixel/255.
        Its outputs, all from 0 to 1: the heatmap `[batch, rows, columns, labels]`, the
        boxes `[batch, rows, columns, 4]` with the place of the centre in its cell (x,
        y), width and height as fractions of the image, and, with `classifies`, the
        probabilities `[batch, classes]`. Rows and columns are an eighth of the image.

    Raises:
        RequestError: The sides of the image are no multiples of the network's stride,
            or it has no map of stride 8.
    """
    maps = _find_maps(classifier)
    x, former = None, 0
    for stride, features in sorted(maps.items(), reverse=True):
        name = f"boxes_from{stride}"
        lateral = blocks.OURS.conv_bn(features, channels, 1, name=name, activation=None)
        if x is not None:
            x = keras.layers.UpSampling2D(former // stride, name=f"{name}_enlarge")(x)
            lateral = keras.layers.Add(name=f"{name}_add")([lateral, x])
        x, former = blocks.OURS.activate(lateral, name), stride
    heatmap = _branch(x, num_labels, channels, HEATMAP)
    boxes = _branch(x, 4, channels, BOXES)
    outputs = [heatmap, boxes, *([classifier.output] if classifies else [])]
    return keras.Model(classifier.input, outputs, name=classifier.name)


def _branch(x, outputs, channels, name):
    """Two separable convolutions in all: one of 3x3, and one of 1x1 to the outputs."""
    x = blocks.OURS.depthwise_bn(x, name=f"{name}_depthwise")
    x = blocks.OURS.conv_bn(x, channels, 1, name=f"{name}_hidden")
    bias = -math.log(1 / _PRIOR - 1) if name == HEATMAP else 0.0
    initializer = keras.initializers.Constant(bias)
    x = keras.layers.Conv2D(
        outputs, 1, bias_initializer=initializer, name=f"{name}_logits"
    )(x)
    # float32 even in mixed precision, as the classifier's probabilities are.
    return Sigmoid(name=name, dtype="float32")(x)


def _find_maps(classifier):
    """Returns the last map of each stride from 8 on that all later layers depend on.

    Raises:
        RequestError: See `add_boxes`.
    """
    height, width = classifier.input_shape[1:3]
    maps = {}
    for layer in _cut_points(classifier):
        shape = layer.output_shape
        # The last convolution serves the classifier: it has five times the channels.
        if len(shape) != 4 or shape[1] < 2 or layer.name.startswith("last"):
            continue
        stride = 1 << round(math.log2(height / shape[1]))
        if stride >= STRIDE:
            maps[stride] = layer.output
    if STRIDE not in maps:
        raise RequestError(
            f"The network {classifier.name} has no map of an eighth of the image, on "
            "which boxes are found; train another --model, or a larger --image_size."
        )
    last = max(maps)
    if height % last or width % last:
        raise RequestError(
            f"Expected the sides of the images to be multiples of {last} to find "
            f"boxes, got {height} x {width}; train with another --image_size."
        )
    return maps


def _cut_points(model):
    """Yields the layers that every way from the input to the output passes."""
    position = {layer.name: number for number, layer in enumerate(model.layers)}
    reach = 0
    for number, layer in enumerate(model.layers[:-1]):
        if number and reach <= number:
            yield layer
        readers = [node.outbound_layer.name for node in layer.outbound_nodes]
        reach = max(reach, *(position[name] for name in readers if name in position))
