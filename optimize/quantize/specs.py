"""What quantization does to a layer, by the layer's type."""

import dataclasses
import enum

from corallite.device.system.errors import RequestError
from corallite.optimize.keras_graph.borders import ColourBorder, ZeroBorder
from corallite.optimize.keras_graph.quantizers import KernelQuantizer
from corallite.train.framework.keras import keras
from corallite.train.models.channel_slice import ChannelSlice
from corallite.train.models.hard_swish import HardSwish
from corallite.train.models.sigmoid import Sigmoid

# Per-channel: one scale for each output channel of a convolution. Per-tensor: one
# scale for its whole kernel, as the STM32MP2's accelerator and some others need it.
GRANULARITIES = ("channel", "tensor")


class Output(enum.Enum):
    """How a layer's output is quantized."""

    QUANTIZED = enum.auto()  # It has new values, which need a range.
    MOVED = enum.auto()  # It has the values of the input, and keeps their scale.
    FLOAT = enum.auto()  # The converter chooses its scale.


@dataclasses.dataclass(frozen=True)
class LayerSpec:
    """What quantization does to the layers of one type.

    Attributes:
        output: How the output is quantized.
        channel: The quantizer of the kernel, per-channel; None without a kernel.
        tensor: The same, per-tensor.
    """

    output: Output
    channel: KernelQuantizer | None = None
    tensor: KernelQuantizer | None = None


_PER_TENSOR = KernelQuantizer(None)
# By exact type: in Keras a transposed convolution is a kind of Conv2D.
SPECS = {
    keras.layers.Conv2D: LayerSpec(Output.QUANTIZED, KernelQuantizer(-1), _PER_TENSOR),
    keras.layers.DepthwiseConv2D: LayerSpec(
        Output.QUANTIZED, KernelQuantizer(2), KernelQuantizer(2, shares_scale=True)
    ),
    # The Edge TPU and TFLite Micro need one scale for a dense layer.
    keras.layers.Dense: LayerSpec(Output.QUANTIZED, _PER_TENSOR, _PER_TENSOR),
    keras.layers.Add: LayerSpec(Output.QUANTIZED),
    keras.layers.Multiply: LayerSpec(Output.QUANTIZED),
    keras.layers.ReLU: LayerSpec(Output.QUANTIZED),
    keras.layers.Rescaling: LayerSpec(Output.QUANTIZED),
    HardSwish: LayerSpec(Output.QUANTIZED),
    keras.layers.GlobalAveragePooling2D: LayerSpec(Output.QUANTIZED),
    keras.layers.Concatenate: LayerSpec(Output.MOVED),
    keras.layers.MaxPool2D: LayerSpec(Output.MOVED),
    # A mean is rounded in the scale of the input, as TFLite's operator does.
    keras.layers.AveragePooling2D: LayerSpec(Output.MOVED),
    keras.layers.GlobalMaxPooling2D: LayerSpec(Output.MOVED),
    keras.layers.Flatten: LayerSpec(Output.MOVED),
    keras.layers.Dropout: LayerSpec(Output.MOVED),
    ChannelSlice: LayerSpec(Output.MOVED),
    ZeroBorder: LayerSpec(Output.MOVED),
    ColourBorder: LayerSpec(Output.MOVED),
    keras.layers.UpSampling2D: LayerSpec(Output.MOVED),
    keras.layers.Softmax: LayerSpec(Output.FLOAT),
    Sigmoid: LayerSpec(Output.FLOAT),
}


def find_spec(layer: keras.layers.Layer) -> LayerSpec:
    """Returns the spec of a layer.

    Raises:
        RequestError: Layers of this type cannot be quantized.
    """
    spec = SPECS.get(type(layer))
    if spec is None or getattr(layer, "depth_multiplier", 1) != 1:
        raise RequestError(
            f"Layer {layer.name!r} is {_describe(layer)}, which cannot be quantized "
            "here; leave it to TensorFlow with `corallite convert --to=tflite_int8`, "
            "or build the network from convolutions, dense layers, sums, products, "
            "ReLU, hard-swish, pools, slices and concatenations."
        )
    return spec


def _describe(layer):
    kind = type(layer).__name__
    if isinstance(layer, keras.layers.Activation):
        return f"an {kind} ({keras.activations.serialize(layer.activation)})"
    return f"a {kind}"


def makes_values(layer: keras.layers.Layer) -> bool:
    """Returns whether a layer computes new values, which need a range."""
    return type(layer) in SPECS and SPECS[type(layer)].output is Output.QUANTIZED


def moves_values(layer: keras.layers.Layer) -> bool:
    """Returns whether a layer only moves the values of its input, with their scale."""
    return type(layer) in SPECS and SPECS[type(layer)].output is Output.MOVED
