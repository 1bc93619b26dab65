"""What an adopted network takes for a pixel, and the layer that makes it.

Corallite's models take pixel/255. The ranges are those of `keras.applications`
(imagenet_utils.preprocess_input: "tf" is -1..1, "torch", "caffe") and the two that need
no function.
"""

import dataclasses

import numpy as np

from corallite.train.adopt.rebuild import Part, copy_layer, rebuild
from corallite.train.framework.keras import keras
from corallite.train.models.blocks import IMAGENET_DEVIATION, IMAGENET_MEAN

# ITU-R BT.601, as Keras's and OpenCV's conversions to grey.
_GREY = (0.299, 0.587, 0.114)
# Mean of ImageNet in blue, green and red, of 255.
_CAFFE_MEAN = (103.939, 116.779, 123.68)
_LAYER = "normalize"
_SMALLEST_CHANGE = 1e-6


@dataclasses.dataclass(frozen=True)
class Mapping:
    """An input of a network, computed from red, green and blue in 0 to 1.

    Attributes:
        matrix: `[3, channels]`, with which a pixel is multiplied.
        offset: `[channels]`, added to the product.
    """

    matrix: np.ndarray
    offset: np.ndarray

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Maps float images `[n, height, width, 3]`."""
        return (images @ self.matrix + self.offset).astype(np.float32)

    def then(self, scale: np.ndarray, offset: np.ndarray) -> "Mapping":
        """Returns the mapping that multiplies and adds afterwards, by channel."""
        return Mapping(self.matrix * scale, self.offset * scale + offset)


def list_ranges(channels: int) -> dict[str, Mapping]:
    """Returns the ranges that a network may take, by the name of --input_range."""
    base = np.eye(3) if channels == 3 else np.array(_GREY)[:, np.newaxis]
    ranges = {
        "0..1": Mapping(base, np.zeros(channels)),
        "-1..1": Mapping(2 * base, -np.ones(channels)),
        "0..255": Mapping(255 * base, np.zeros(channels)),
    }
    if channels == 3:
        mean, deviation = np.array(IMAGENET_MEAN), np.array(IMAGENET_DEVIATION)
        ranges["torch"] = Mapping(base / deviation, -mean / deviation)
        ranges["caffe"] = Mapping(255 * base[:, ::-1], -np.array(_CAFFE_MEAN))
    return ranges


RANGES = tuple(list_ranges(3))


def take_photos(model: keras.Model, mapping: Mapping) -> keras.Model:
    """Returns a network that takes pixel/255, and maps it as the first layer.

    Rescaling and Normalization at the begin of `model` become part of that layer. There
    is none if nothing is left to compute.

    Args:
        model: Flat, see `standardize`.
        mapping: What `model` takes.
    """
    first = _list_first(model)
    for layer in first:
        mapping = mapping.then(*_read_scaling(layer))

    def replace(layer: keras.layers.Layer) -> list[Part]:
        return [] if layer in first else copy_layer(layer)

    return rebuild(model, replace, before=_make_layer(mapping), channels=3)


def _list_first(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns the layers behind the input that only scale it."""
    found = []
    (layer,) = (x for x in model.layers if isinstance(x, keras.layers.InputLayer))
    while len(layer.outbound_nodes) == 1:
        layer = layer.outbound_nodes[0].outbound_layer
        is_scaling = type(layer) is keras.layers.Rescaling
        is_norm = type(layer) is keras.layers.Normalization and not layer.invert
        if not is_scaling and not is_norm:
            break
        found.append(layer)
    return found


def _read_scaling(layer: keras.layers.Layer) -> tuple[np.ndarray, np.ndarray]:
    if type(layer) is keras.layers.Rescaling:
        return np.asarray(layer.scale, float), np.asarray(layer.offset, float)
    deviation = np.sqrt(np.asarray(layer.variance, float)).ravel()
    scale = 1 / np.maximum(deviation, keras.backend.epsilon())
    return scale, -np.asarray(layer.mean, float).ravel() * scale


def _make_layer(mapping: Mapping) -> list[Part]:
    matrix, offset = mapping.matrix, mapping.offset
    channels = matrix.shape[1]
    is_square = channels == 3
    if is_square and np.abs(matrix - np.eye(3)).max() < _SMALLEST_CHANGE:
        if np.abs(offset).max() < _SMALLEST_CHANGE:
            return []
    settings = {"name": _LAYER, "trainable": False}
    if is_square and np.count_nonzero(matrix - np.diag(np.diag(matrix))) == 0:
        # The form that `quantize` folds into the first convolution.
        layer = keras.layers.DepthwiseConv2D(1, **settings)
        return [(layer, [np.diag(matrix).reshape(1, 1, 3, 1), offset])]
    layer = keras.layers.Conv2D(channels, 1, **settings)
    return [(layer, [matrix.reshape(1, 1, 3, channels), offset])]
