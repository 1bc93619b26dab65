"""Says which operator of an int8 file each layer of a network becomes, at any width."""

import dataclasses
from collections.abc import Iterator

from corallite.device.benchmark.layers.operator import Operator
from corallite.optimize.keras_graph import traverse
from corallite.optimize.slim.remove_channels import Kept
from corallite.optimize.slim.trace_channels import Channels, Ids
from corallite.train.framework.keras import keras
from corallite.train.models.channel_slice import ChannelSlice
from corallite.train.models.hard_swish import HardSwish

_LAYERS = keras.layers
_KINDS = {
    _LAYERS.Conv2D: "conv",
    _LAYERS.DepthwiseConv2D: "depthwise",
    _LAYERS.Dense: "dense",
    _LAYERS.Add: "add",
    _LAYERS.Multiply: "mul",
    _LAYERS.Concatenate: "concat",
    ChannelSlice: "slice",
    _LAYERS.MaxPooling2D: "max_pool",
    _LAYERS.AveragePooling2D: "average_pool",
    _LAYERS.GlobalAveragePooling2D: "pool",
    _LAYERS.ZeroPadding2D: "pad",
    _LAYERS.Rescaling: "mul_constant",
    HardSwish: "hard_swish",
    _LAYERS.Softmax: "softmax",
}
# The converter computes them in the operator before.
_RECTIFIED = ("conv", "depthwise", "dense", "add", "mul", "mul_constant")


@dataclasses.dataclass(frozen=True)
class LayerOperator:
    """The operator of a layer.

    Attributes:
        layer: Its name.
        at_full_width: The operator with all channels.
        inputs: The atoms of each input's channels.
        output: The atoms of the output's channels.
    """

    layer: str
    at_full_width: Operator
    inputs: tuple[Ids, ...]
    output: Ids

    def at(self, kept: Kept) -> Operator:
        """Returns the operator with the channels of these atoms, bool `[atoms]`."""
        return dataclasses.replace(
            self.at_full_width,
            channels=tuple(int(kept[ids].sum()) for ids in self.inputs),
            out_channels=int(kept[self.output].sum()),
        )


def list_layer_operators(
    model: keras.Model, channels: Channels
) -> Iterator[LayerOperator]:
    """Yields the operators of a flat functional model, in the order of its layers.

    Batch norms are folded into convolutions, and rectifiers are computed with what is
    before them. Layers that cost nothing, or that `_KINDS` does not know, are left out.

    Args:
        model: The network.
        channels: Its channels.
    """
    for layer in model.layers:
        kind = _KINDS.get(type(layer))
        if kind is None:
            continue
        inputs = tuple(channels.outputs[x.name] for x in traverse.producers(layer))
        output = channels.outputs[layer.name]
        yield LayerOperator(layer.name, _operator(layer, kind), inputs, output)


def _operator(layer: keras.layers.Layer, kind: str) -> Operator:
    shapes = [x.output_shape for x in traverse.producers(layer)]
    shapes = [x[0] if isinstance(x, list) else x for x in shapes]
    height, width = shapes[0][1:3] if len(shapes[0]) == 4 else (1, 1)
    channels = tuple(x[-1] for x in shapes)
    if kind == "mul" and len({x[1:3] for x in shapes}) > 1:
        kind = "scale"
    settings = {}
    if kind in ("conv", "depthwise"):
        settings = {"kernel": layer.kernel_size, "strides": layer.strides}
    elif kind in ("max_pool", "average_pool"):
        settings = {"kernel": layer.pool_size, "strides": layer.strides}
    elif kind == "pad":
        settings = {"kernel": tuple(map(sum, layer.padding))}
    if "strides" in settings:
        settings["padding"] = layer.padding
    if kind in _RECTIFIED:
        settings["activation"] = _find_rectifier(layer)
    return Operator(kind, height, width, channels, layer.output_shape[-1], **settings)


def _find_rectifier(layer: keras.layers.Layer) -> str:
    """Returns the activation that is computed with a layer, as `Operator` names it."""
    reader = traverse.only_reader(layer)
    if isinstance(reader, _LAYERS.BatchNormalization):
        reader = traverse.only_reader(reader)
    if not isinstance(reader, _LAYERS.ReLU):
        return "none"
    return "relu6" if reader.max_value == 6 else "relu"
