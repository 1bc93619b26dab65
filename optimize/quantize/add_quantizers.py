"""Returns a copy of a float model that computes as its int8 file will.

Batch norms and the input's normalization are folded first. Then exactly those tensors
get a quantizer that the int8 file will have: each kernel, and each activation after its
ReLU. `specs` says what quantization does to each type of layer. Tensors that
meet in a concatenation have one range (see `concatenations`).
"""

import numpy as np

from corallite.device.system.errors import require_choice
from corallite.optimize.calibrate.check_images import check_images
from corallite.optimize.calibrate.measure_ranges import measure_ranges
from corallite.optimize.keras_graph import traverse
from corallite.optimize.keras_graph.layer_quantization import (
    PREFIX,
    LayerQuantization,
    kernel_name,
    wrap,
)
from corallite.optimize.keras_graph.quantizers import FixedRange, MovingRange
from corallite.optimize.keras_graph.shared_range import SharedRange
from corallite.optimize.keras_graph.tfmot import tfmot
from corallite.optimize.quantize.concatenations import share_ranges
from corallite.optimize.quantize.fold import fold_batch_norms
from corallite.optimize.quantize.normalization import fold_normalization
from corallite.optimize.quantize.padding import replace_padding
from corallite.optimize.quantize.specs import GRANULARITIES, Output, find_spec
from corallite.train.framework.keras import keras


def quantize(
    model: keras.Model,
    images: np.ndarray,
    *,
    shared_range: str | None = None,
    granularity: str = "channel",
) -> keras.Model:
    """Returns a quantization-aware copy of `model`, its ranges set by `images`.

    Before any training it is as accurate as post-training quantization.

    Args:
        model: Flat functional float model, pruned or not; not changed. Zeros in its
            kernels stay zero when the copy is trained, and frozen layers stay frozen.
        images: float32 `[n, height, width, 3]` in 0 to 1, which set the initial ranges
            (see `measure_ranges`).
        shared_range: How the range of concatenated tensors is found, one of
            SHARED_RANGES. By default fixed where only outputs of ReLU6 meet, else
            calibrated.
        granularity: One of GRANULARITIES; a dense layer is always per-tensor.

    Raises:
        RequestError: A layer has a type without a spec, a batch norm does not follow a
            convolution, a concatenated tensor does not fit the kind of range, or the
            images are not photos (see `check_images`).
        TypeError: `images` are not floats.
        ValueError: The model is not flat, or the images have another shape than the
            model's input.
    """
    check_images(images)
    if images.shape[1:] != model.input_shape[1:]:
        raise ValueError(
            f"Expected images of shape {list(model.input_shape[1:])}, which the model "
            f"takes, got {list(images.shape[1:])}."
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
    """Returns a quantization-aware copy whose ranges are not measured yet.

    `measure_ranges` sets them; arguments and errors are those of `quantize`.
    """
    require_choice("granularity", granularity, GRANULARITIES)
    folded = fold(model)
    shared = share_ranges(folded, shared_range)
    quantized = _wrap_layers(folded, shared, granularity)
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
    """Returns whether `quantize` made the model."""
    wrapper = tfmot.quantization.keras.QuantizeWrapperV2
    return any(isinstance(layer, wrapper) for layer in model.layers)


def _wrap_layers(folded, shared, granularity):
    def replace(layer):
        range_layer, member = shared.get(layer.name, (None, None))
        if isinstance(range_layer, SharedRange):
            makes = _quantized_copy(layer, granularity, None)
            return lambda x: range_layer(makes(x), member=member)
        quantizer = range_layer or _output_quantizer(layer)
        return _quantized_copy(layer, granularity, quantizer)

    # Pixel/255 in eight bits: scale 1/255 and zero point 0, the raw pixel itself.
    pixels = keras.layers.Activation("linear", name="pixels")
    pixels = wrap(pixels, LayerQuantization(output=FixedRange(0.0, 1.0)))
    return traverse.rebuild(folded, replace, after_input=pixels)


def _quantized_copy(layer, granularity, output_quantizer):
    """Returns a copy of `layer`, in a wrapper if its kernel or output is quantized."""
    spec = find_spec(layer)
    copy = traverse.copy_layer(layer)
    if spec.output is not Output.QUANTIZED:
        return copy
    return wrap(copy, LayerQuantization(getattr(spec, granularity), output_quantizer))


def _output_quantizer(layer):
    """Returns the quantizer of an output; None if only a ReLU reads it."""
    readers = traverse.consumers(layer)
    ends_in_relu = [type(reader) for reader in readers] == [keras.layers.ReLU]
    return None if ends_in_relu else MovingRange()


def _keep_zeros(layer, wrapper):
    """Sets the mask of `wrapper` to the zeros in the kernel of `layer`."""
    kernel = getattr(layer, kernel_name(layer)).numpy()
    (mask,) = (w for w in wrapper.non_trainable_weights if w.name.endswith("_mask:0"))
    mask.assign((kernel != 0).astype("float32"))
