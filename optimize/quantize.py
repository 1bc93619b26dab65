"""Quantization-aware training: a float model in, one that computes as int8 will, out.

The batch norms are folded first. Then every tensor that the int8 file will hold gets
its quantizer, and no other: a kernel its own, an activation behind the ReLU that ends
it. Slices, concatenations and pools only move values and keep the scale they get.
"""

import numpy as np

from corallite.device.errors import RequestError
from corallite.optimize import graph
from corallite.optimize.fold import CONVOLUTIONS, fold_batch_norms
from corallite.optimize.quantizers import FixedRange, KernelQuantizer, MovingRange
from corallite.optimize.tfmot import tfmot
from corallite.train.keras import keras
from corallite.train.models.channel_slice import ChannelSlice

# A wrapped layer is called by this and the name of the layer.
PREFIX = "quant_"
_MOVES_VALUES = (
    ChannelSlice,
    keras.layers.Concatenate,
    keras.layers.MaxPool2D,
    keras.layers.Dropout,
)
_MAKES_VALUES = (
    *CONVOLUTIONS,
    keras.layers.Dense,
    keras.layers.Add,
    keras.layers.ReLU,
    keras.layers.GlobalAveragePooling2D,
)
_JOINS_OR_SPLITS = (ChannelSlice, keras.layers.Concatenate)
_QUANTIZERS = {
    kind.__name__: kind for kind in (KernelQuantizer, FixedRange, MovingRange)
}
_CALIBRATION_BATCH = 50
# Of whatever may meet in a concatenation.
_STAGE_RANGE = FixedRange(0.0, 6.0)
_Wrapper = tfmot.quantization.keras.QuantizeWrapperV2


@keras.saving.register_keras_serializable(package="corallite")
class LayerQuantization(tfmot.quantization.keras.QuantizeConfig):
    """Which quantizers a layer's kernel and output get; None for none."""

    def __init__(self, kernel=None, output=None):
        self.kernel = kernel
        self.output = output

    def get_weights_and_quantizers(self, layer):
        if self.kernel is None:
            return []
        return [(getattr(layer, _kernel_name(layer)), self.kernel)]

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_weights(self, layer, quantize_weights):
        if quantize_weights:
            setattr(layer, _kernel_name(layer), quantize_weights[0])

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        return [] if self.output is None else [self.output]

    def get_config(self):
        return {"kernel": _describe(self.kernel), "output": _describe(self.output)}

    @classmethod
    def from_config(cls, config):
        return cls(_restore(config["kernel"]), _restore(config["output"]))


def quantize(model: keras.Model, images: np.ndarray) -> keras.Model:
    """Returns a quantization-aware copy of `model`, its ranges set by `images`.

    Before any training it answers as well as post-training quantization would.

    Args:
        model: Flat functional float model, pruned or not; not changed. Zeros in its
            kernels stay zeros however long the copy is trained.
        images: float32 `[n, height, width, 3]` in 0 to 1, which set the first ranges:
            the mean of the extremes of each batch of them.

    Raises:
        RequestError: A layer is of a kind that no quantization is known for, or a
            concatenation joins other tensors than outputs of ReLU6.
        ValueError: The model is not flat, or a batch norm follows no convolution.
    """
    folded = fold_batch_norms(model)
    quantized = _wrap_layers(folded)
    for layer in folded.layers:
        if layer.weights:
            _keep_zeros(layer, quantized.get_layer(PREFIX + layer.name))
    _measure_ranges(quantized, images)
    return quantized


def is_quantized(model: keras.Model) -> bool:
    """Tells whether `quantize` made the model."""
    return any(isinstance(layer, _Wrapper) for layer in model.layers)


def _wrap_layers(folded):
    def replace(layer):
        config = _quantization_of(layer)
        copy = graph.copy_layer(layer)
        return copy if config is None else _wrap(copy, config)

    # Pixel/255 in eight bits: scale 1/255 and zero point 0, the raw pixel itself.
    pixels = keras.layers.Activation("linear", name="pixels")
    pixels = _wrap(pixels, LayerQuantization(output=FixedRange(0.0, 1.0)))
    return graph.rebuild(folded, replace, after_input=pixels)


def _measure_ranges(quantized, images):
    """Lets every moving range see all images, with dropout off."""
    dropouts = [x for x in quantized.layers if isinstance(x, keras.layers.Dropout)]
    rates = [layer.rate for layer in dropouts]
    for layer in dropouts:
        layer.rate = 0.0
    for start in range(0, len(images), _CALIBRATION_BATCH):
        quantized(images[start : start + _CALIBRATION_BATCH], training=True)
    for layer, rate in zip(dropouts, rates, strict=True):
        layer.rate = rate


def _wrap(layer, config):
    return _Wrapper(layer, config, name=PREFIX + layer.name)


def _quantization_of(layer):
    """Returns the quantizers of one layer; None if it is left as it is."""
    if isinstance(layer, keras.layers.Concatenate) and not _has_stage_range(layer):
        # Of several scales the converter takes one, and clips what exceeds it.
        raise RequestError(
            f"Layer {layer.name!r} joins tensors of different ranges; end all that it "
            "joins with ReLU(6.0)."
        )
    if isinstance(layer, (*_MOVES_VALUES, keras.layers.Softmax)):
        return None
    has_multiplier = getattr(layer, "depth_multiplier", 1) != 1
    if type(layer) not in _MAKES_VALUES or has_multiplier:
        raise RequestError(
            f"Layer {layer.name!r} is a {type(layer).__name__}, which cannot be "
            "quantized here; build the network from convolutions, dense layers, sums, "
            "ReLU, pools, slices and concatenations."
        )
    return LayerQuantization(_kernel_quantizer(layer), _output_quantizer(layer))


def _kernel_name(layer):
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return "depthwise_kernel" if is_depthwise else "kernel"


def _kernel_quantizer(layer):
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return KernelQuantizer(channel_axis=2)
    if isinstance(layer, keras.layers.Conv2D):
        return KernelQuantizer(channel_axis=-1)
    # The Edge TPU and TFLite Micro want one scale for a dense layer.
    return KernelQuantizer(None) if isinstance(layer, keras.layers.Dense) else None


def _output_quantizer(layer):
    readers = graph.consumers(layer)
    if [type(reader) for reader in readers] == [keras.layers.ReLU]:
        return None
    # A concatenation is free only if all it joins has one scale.
    is_joined = any(isinstance(reader, _JOINS_OR_SPLITS) for reader in readers)
    return _STAGE_RANGE if is_joined and _has_stage_range(layer) else MovingRange()


def _has_stage_range(layer):
    """Tells whether `layer` is a ReLU6, or moves the outputs of such alone."""
    if isinstance(layer, _JOINS_OR_SPLITS):
        return all(_has_stage_range(source) for source in graph.producers(layer))
    return isinstance(layer, keras.layers.ReLU) and layer.max_value == 6


def _keep_zeros(layer, wrapper):
    """Masks in `wrapper` the zeros of the kernel of `layer`."""
    kernel = getattr(layer, _kernel_name(layer)).numpy()
    (mask,) = (w for w in wrapper.non_trainable_weights if w.name.endswith("_mask:0"))
    mask.assign((kernel != 0).astype("float32"))


def _describe(quantizer):
    if quantizer is None:
        return None
    return {"kind": type(quantizer).__name__, **quantizer.get_config()}


def _restore(description):
    if description is None:
        return None
    settings = dict(description)
    return _QUANTIZERS[settings.pop("kind")](**settings)
