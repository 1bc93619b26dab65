"""Quantization of weights and activations to eight bits, as tfmot quantizers.

tfmot's own quantizers are not sufficient: they lose the weight mask when a model is
reloaded, quantize depthwise kernels per-tensor, start activation ranges at [-6, 6] and
need thousands of steps to change them, and have no fixed range.
"""

from corallite.optimize.keras_graph.tfmot import tfmot
from corallite.train.framework.keras import tf

# The bias of a channel is int32 at the scale input range/255 x kernel range/127. Where
# a kernel is (nearly) zero it would overflow, and the converter clips it silently: a
# bias of 5 became 0.1. With these two minima, 2^31 is never reached. They cost at most
# a tenth of a step of the output.
_MIN_ACTIVATION_RANGE = 2**-6
_MIN_KERNEL_RANGE_PER_BIAS = 2**-10
_MIN_KERNEL_RANGE = 1e-4
_MIN_RATE = 0.01


class KernelQuantizer(tfmot.quantization.keras.quantizers.Quantizer):
    """Symmetric int8, -127 to 127; the largest absolute weight sets the scale.

    Args:
        channel_axis: The kernel's axis of output channels, for per-channel scales; None
            for per-tensor.
        shares_scale: All channels get the largest of their scales, for depthwise
            kernels: the converter does not accept one scale for those.

    A mask, stored with the layer, keeps pruned weights at zero. The range has a minimum
    relative to the layer's bias, which would overflow in the int8 file otherwise.
    """

    def __init__(self, channel_axis: int | None, shares_scale: bool = False):
        self.channel_axis = channel_axis
        self.shares_scale = shares_scale

    def build(self, tensor_shape, name, layer):
        mask = layer.add_weight(
            f"{name}_mask", shape=tensor_shape, initializer="ones", trainable=False
        )
        return {"mask": mask, "bias": getattr(layer.layer, "bias", None)}

    def __call__(self, inputs, training, weights, **kwargs):
        kernel = inputs * weights["mask"]
        floor = _kernel_floor(weights["bias"])
        if self.channel_axis is None:
            limit = tf.reduce_max(tf.maximum(tf.abs(kernel), floor))
            return tf.quantization.fake_quant_with_min_max_vars(
                kernel, -limit, limit, narrow_range=True
            )
        if self.channel_axis in (-1, len(kernel.shape) - 1):
            return _quantize_per_last_axis(kernel, floor, self.shares_scale)
        # TensorFlow quantizes along the last axis only. The converter folds a transpose
        # of the quantized constant, but not a reshape.
        order = list(range(len(kernel.shape)))
        order[self.channel_axis], order[-1] = order[-1], order[self.channel_axis]
        kernel = tf.transpose(kernel, order)
        kernel = _quantize_per_last_axis(kernel, floor, self.shares_scale)
        return tf.transpose(kernel, order)

    def get_config(self):
        return {"channel_axis": self.channel_axis, "shares_scale": self.shares_scale}


class FixedRange(tfmot.quantization.keras.quantizers.Quantizer):
    """Eight bits over a fixed range."""

    def __init__(self, minimum: float, maximum: float):
        self.minimum = minimum
        self.maximum = maximum

    def build(self, tensor_shape, name, layer):
        return {}

    def __call__(self, inputs, training, weights, **kwargs):
        return tf.quantization.fake_quant_with_min_max_args(
            inputs, self.minimum, self.maximum
        )

    def get_config(self):
        return {"minimum": self.minimum, "maximum": self.maximum}


class MovingRange(tfmot.quantization.keras.quantizers.Quantizer):
    """Eight bits over the average of the extremes of each training batch.

    For the first hundred batches it is the mean of all, so that a few batches set the
    range; then it is a moving average, which follows the training.
    """

    def build(self, tensor_shape, name, layer):
        return make_extremes(layer, name)

    def __call__(self, inputs, training, weights, **kwargs):
        if training:
            follow_extremes(weights, inputs)
        return quantize_between(inputs, weights["min"], weights["max"])

    def get_config(self):
        return {}


def make_extremes(layer, name):
    """Returns new weights of `layer` that hold the moving range of one tensor.

    Of several replicas, each has a range of its own; what is saved is their mean.
    """
    return {
        state: layer.add_weight(
            f"{name}_{state}",
            shape=(),
            initializer="zeros",
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.MEAN,
        )
        for state in ("min", "max", "batches")
    }


def follow_extremes(extremes, inputs):
    """Updates the range with the extremes of one more batch."""
    batches = extremes["batches"].assign_add(1.0)
    rate = tf.maximum(1.0 / batches, _MIN_RATE)
    # Zero must lie inside, for padding and ReLU have to be exact.
    lowest = tf.minimum(tf.reduce_min(inputs), 0.0)
    highest = tf.maximum(tf.reduce_max(inputs), 0.0)
    extremes["min"].assign_add(rate * (lowest - extremes["min"]))
    extremes["max"].assign_add(rate * (highest - extremes["max"]))


def quantize_between(inputs, minimum, maximum):
    """Returns `inputs`, rounded to eight bits over the range."""
    # A range of zero has no scale, and the file could not run.
    maximum = tf.maximum(maximum, minimum + _MIN_ACTIVATION_RANGE)
    return tf.quantization.fake_quant_with_min_max_vars(inputs, minimum, maximum)


def _kernel_floor(bias):
    """Returns the minimal range of a kernel with this bias, per channel."""
    if bias is None:
        return _MIN_KERNEL_RANGE
    floor = tf.abs(tf.stop_gradient(bias)) * _MIN_KERNEL_RANGE_PER_BIAS
    return tf.maximum(floor, _MIN_KERNEL_RANGE)


def _quantize_per_last_axis(kernel, floor, shares_scale):
    axes = list(range(len(kernel.shape) - 1))
    limit = tf.maximum(tf.reduce_max(tf.abs(kernel), axes), floor)
    if shares_scale:
        limit = tf.fill([kernel.shape[-1]], tf.reduce_max(limit))
    return tf.quantization.fake_quant_with_min_max_vars_per_channel(
        kernel, -limit, limit, narrow_range=True
    )
