"""Quantization-aware training: a float model in, one that computes as int8 will, out.

Batch norms and the input's normalization are folded first. Then every tensor that the
int8 file will hold gets its quantizer, and no other: a kernel its own, an activation
behind the ReLU that ends it. Slices, concatenations and pools only move values and keep
the scale they get, and what meets in a concatenation has one range (`shared_range`).
"""

import numpy as np

from corallite.device.system.errors import RequestError
from corallite.optimize.calibrate.check_images import check_images
from corallite.optimize.calibrate.measure_ranges import measure_ranges
from corallite.optimize.keras_graph import traverse
from corallite.optimize.keras_graph.tfmot import tfmot
from corallite.optimize.quantize.fold import CONVOLUTIONS, fold_batch_norms
from corallite.optimize.quantize.layer_quantization import (
    PREFIX,
    LayerQuantization,
    kernel_name,
    wrap,
)
from corallite.optimize.quantize.normalization import fold_normalization
from corallite.optimize.quantize.padding import ZeroBorder, replace_padding
from corallite.optimize.quantize.quantizers import (
    FixedRange,
    KernelQuantizer,
    MovingRange,
)
from corallite.optimize.quantize.shared_range import SharedRange, find_joined
from corallite.train.framework.keras import keras
from corallite.train.models.channel_slice import ChannelSlice

# How the range is found that all tensors have which meet in concatenations: 0 to 6, as
# ReLU6 gives it; the extremes of the training's batches; trained like a weight.
SHARED_RANGES = ("fixed", "calibrated", "learned")
# A scale for each output channel of a convolution, or one for its whole kernel, as
# the accelerator of the STM32MP2 and some others want it.
GRANULARITIES = ("channel", "tensor")
_MOVES_VALUES = (
    ChannelSlice,
    ZeroBorder,
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
_RELU6_RANGE = FixedRange(0.0, 6.0)


def quantize(
    model: keras.Model,
    images: np.ndarray,
    *,
    shared_range: str | None = None,
    granularity: str = "channel",
) -> keras.Model:
    """Returns a quantization-aware copy of `model`, its ranges set by `images`.

    Before any training it answers as well as post-training quantization would.

    Args:
        model: Flat functional float model, pruned or not; not changed. Zeros in its
            kernels stay zeros however long the copy is trained, and so do layers that
            are not trainable.
        images: float32 `[n, height, width, 3]` in 0 to 1, which set the first ranges:
            the mean of the extremes of each batch of them, as many as it takes (see
            `measure_ranges`).
        shared_range: One of SHARED_RANGES. By default fixed where nothing but outputs
            of ReLU6 meets, else calibrated.
        granularity: One of GRANULARITIES; dense layers have one scale in any case.

    Raises:
        RequestError: A layer is of a kind that no quantization is known for, a
            concatenation joins what has no range of that kind, or the images are no
            photos that the model was trained for (see `check_images`).
        TypeError: `images` are no floats.
        ValueError: The model is not flat, a batch norm follows no convolution, or
            the images have another shape than its input.
    """
    check_images(images)
    if images.shape[1:] != model.input_shape[1:]:
        raise ValueError(
            f"Expected images of {list(model.input_shape[1:])}, which the model takes, "
            f"got {list(images.shape[1:])}."
        )
    quantized = add_quantizers(
        model, shared_range=shared_range, granularity=granularity
    )
    measure_ranges(quantized, images)
    return quantized


def add_quantizers(
    model: keras.Model,
    *,
    shared_range: str | None = None,
    granularity: str = "channel",
) -> keras.Model:
    """Returns a quantization-aware copy whose ranges are not set yet.

    For `measure_ranges`; arguments and errors are those of `quantize`.
    """
    if granularity not in GRANULARITIES:
        raise RequestError(
            f"Expected `granularity` to be one of {', '.join(GRANULARITIES)}, got "
            f"{granularity!r}."
        )
    folded = fold(model)
    shared = _share_ranges(folded, shared_range)
    quantized = _wrap_layers(folded, shared, granularity == "channel")
    for layer in folded.layers:
        if layer.weights:
            _keep_zeros(layer, quantized.get_layer(PREFIX + layer.name))
    return quantized


def fold(model: keras.Model) -> keras.Model:
    """Returns the float model whose layers `quantize` quantizes.

    It computes the same as `model`, with batch norms and normalization folded.
    """
    return replace_padding(fold_normalization(fold_batch_norms(model)))


def is_quantized(model: keras.Model) -> bool:
    """Tells whether `quantize` made the model."""
    wrapper = tfmot.quantization.keras.QuantizeWrapperV2
    return any(isinstance(layer, wrapper) for layer in model.layers)


def _share_ranges(folded, kind):
    """Returns what gives its range to each layer whose output meets another's.

    By name of the layer a `FixedRange`, or a `SharedRange` and the number in it.
    """
    if kind not in (None, *SHARED_RANGES):
        raise RequestError(
            f"Expected `shared_range` to be one of {', '.join(SHARED_RANGES)}, got "
            f"{kind!r}."
        )
    shared: dict[str, tuple] = {}
    for number, group in enumerate(find_joined(folded, _MOVES_VALUES)):
        _check_range(group, kind)
        if kind == "fixed" or (kind is None and all(map(_is_relu6, group))):
            shared.update({layer.name: (_RELU6_RANGE, None) for layer in group})
            continue
        name = f"shared_range{number}"
        range_layer = SharedRange(len(group), kind == "learned", name=name)
        for member, layer in enumerate(group):
            shared[layer.name] = range_layer, member
    return shared


def _check_range(group, kind):
    """Raises `RequestError` if a range of this kind does not fit all of `group`."""
    rules = {"fixed": ("ReLU(6.0)", _is_relu6), "learned": ("ReLU", _is_relu)}
    needed, fits = rules.get(kind, ("a convolution, Dense, Add or ReLU", _makes_values))
    for layer in group:
        if not fits(layer):
            raise RequestError(
                f"Layer {layer.name!r} is joined with others, for which a "
                f"{kind or 'calibrated'} range takes outputs of {needed} alone; put "
                "one behind it, or choose another range."
            )


def _is_relu(layer):
    return isinstance(layer, keras.layers.ReLU) and layer.negative_slope == 0


def _is_relu6(layer):
    return _is_relu(layer) and layer.max_value == 6


def _makes_values(layer):
    return type(layer) in _MAKES_VALUES


def _wrap_layers(folded, shared, per_channel):
    def replace(layer):
        range_layer, member = shared.get(layer.name, (None, None))
        if isinstance(range_layer, SharedRange):
            makes = _quantized_copy(layer, per_channel, None)
            return lambda x: range_layer(makes(x), member=member)
        quantizer = range_layer or _output_quantizer(layer)
        return _quantized_copy(layer, per_channel, quantizer)

    # Pixel/255 in eight bits: scale 1/255 and zero point 0, the raw pixel itself.
    pixels = keras.layers.Activation("linear", name="pixels")
    pixels = wrap(pixels, LayerQuantization(output=FixedRange(0.0, 1.0)))
    return traverse.rebuild(folded, replace, after_input=pixels)


def _quantized_copy(layer, per_channel, output_quantizer):
    """Returns a copy of `layer`, in a wrapper if anything of it is quantized."""
    copy = traverse.copy_layer(layer)
    if isinstance(layer, (*_MOVES_VALUES, keras.layers.Softmax)):
        return copy
    has_multiplier = getattr(layer, "depth_multiplier", 1) != 1
    if not _makes_values(layer) or has_multiplier:
        raise RequestError(
            f"Layer {layer.name!r} is a {type(layer).__name__}, which cannot be "
            "quantized here; build the network from convolutions, dense layers, sums, "
            "ReLU, pools, slices and concatenations."
        )
    kernel_quantizer = _kernel_quantizer(layer, per_channel)
    return wrap(copy, LayerQuantization(kernel_quantizer, output_quantizer))


def _kernel_quantizer(layer, per_channel):
    # The Edge TPU and TFLite Micro want one scale for a dense layer.
    if isinstance(layer, keras.layers.Dense):
        return KernelQuantizer(None)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return KernelQuantizer(channel_axis=2, shares_scale=not per_channel)
    if isinstance(layer, keras.layers.Conv2D):
        return KernelQuantizer(channel_axis=-1 if per_channel else None)
    return None


def _output_quantizer(layer):
    """Returns the quantizer of an output that meets no other; None if ReLU follows."""
    readers = traverse.consumers(layer)
    ends_in_relu = [type(reader) for reader in readers] == [keras.layers.ReLU]
    return None if ends_in_relu else MovingRange()


def _keep_zeros(layer, wrapper):
    """Masks in `wrapper` the zeros of the kernel of `layer`."""
    kernel = getattr(layer, kernel_name(layer)).numpy()
    (mask,) = (w for w in wrapper.non_trainable_weights if w.name.endswith("_mask:0"))
    mask.assign((kernel != 0).astype("float32"))
