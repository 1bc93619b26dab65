"""Estimates the memory of a model on the Edge TPU: parameters and activations.

Fitted to the executables in public compiled files and to the compiler's logs. Of 106
different executables, the total parameter bytes are within 4 % for 99, and the cached
bytes for 92. The others are LSTMs, chains of dense layers, and a few special models.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from corallite.convert.edgetpu.predict.compilers import Compiler
from corallite.convert.tflite.model import Operator, Tensor

_MIB = 1 << 20
# Used and remaining bytes in logs of 224-pixel classifiers add up to 6.9 to 7.8 MiB;
# large activations leave less. 7.5 fits a series of growing networks.
CAPACITY_BYTES = int(7.5 * _MIB)
CAPACITY_RANGE_BYTES = (int(6.9 * _MIB), int(7.8 * _MIB))
# Up to this size all parameters stay on the chip, unless activations are large: then
# totals of 1.1 and 1.7 MiB were seen.
SURE_BYTES = int(6.5 * _MIB)
# The largest value seen: above it, the compiler splits planes or fails.
MOST_ACTIVATION_BYTES = 192 * 1024
_TILES = 16
# Dense layers with more inputs were streamed, even alone (9,504 to 94,400 inputs; one
# with 5,904 was not).
_MOST_DENSE_INPUTS = 8192
# Number of dimensions of the weights, by operator.
_WEIGHT_RANKS = {
    "CONV_2D": 4,
    "DEPTHWISE_CONV_2D": 4,
    "FULLY_CONNECTED": 2,
    "TRANSPOSE_CONV": 4,
}


@dataclass(frozen=True)
class Parameters:
    """Where the weights are while a model runs.

    Attributes:
        on_chip: Bytes that are sent once and stay on the chip.
        streamed: Bytes that are sent for every image.
        reserved: What the compiler's log calls "On-chip memory used for caching model
            parameters": more than `on_chip` where layers have few output channels.
    """

    on_chip: int = 0
    streamed: int = 0
    reserved: int = 0

    @property
    def fit(self) -> bool:
        """Whether all parameters stay on the chip."""
        return self.streamed == 0


def place_parameters(operators: Iterable[Operator], compiler: Compiler) -> Parameters:
    """Fills the chip with weights layer by layer, in order of execution.

    Args:
        operators: Those that run on the Edge TPU.
        compiler: The release that lays them out.
    """
    on_chip = streamed = reserved = 0
    for operator in operators:
        size = layer_bytes(operator, compiler)
        room = layer_bytes(operator, compiler, reserved=True)
        if reserved + room <= CAPACITY_BYTES and not _is_always_streamed(operator):
            on_chip += size
            reserved += room
        else:
            streamed += size
    return Parameters(on_chip, streamed, reserved)


def layer_bytes(
    operator: Operator, compiler: Compiler, *, reserved: bool = False
) -> int:
    """Returns the bytes that the weights, biases and scales of a layer take.

    Input channels are stored in fours, output channels in sixty-fours or, if there are
    few, in sixteens, with 8 bytes each for its bias and scale.

    Args:
        operator: Any operator; most have no parameters.
        compiler: The release that lays it out.
        reserved: Whether to count the reserved bytes, always in sixty-fours.
    """
    if operator.name == "SOFTMAX":
        return compiler.softmax_factor * _channels(operator.output())
    weights = operator.input(1)
    if weights is None or len(weights.shape) != _WEIGHT_RANKS.get(operator.name):
        return 0
    first, *window, last = (abs(size) for size in weights.shape)
    taps = math.prod(window)
    depthwise = operator.name == "DEPTHWISE_CONV_2D"
    outputs = last if depthwise else first
    unit = 64 if reserved or outputs > 48 else 16
    per_output = compiler.depthwise_factor * taps if depthwise else taps * _up(last, 4)
    return (per_output + 8) * _up(outputs, unit)


def activation_bytes_per_tile(operators: Iterable[Operator]) -> int:
    """Returns the peak over all operators of the bytes that they read and write.

    Divided by the tiles. Padding does not count: the next convolution does it while
    reading. Executables report up to 7 % more.
    """
    sizes = (
        sum(_padded_bytes(tensor) for tensor in {*operator.read, *operator.written})
        for operator in operators
        if operator.name != "PAD"
    )
    return max(sizes, default=0) // _TILES


def _is_always_streamed(operator: Operator) -> bool:
    weights = operator.input(1)
    return (
        operator.name == "FULLY_CONNECTED"
        and weights is not None
        and weights.shape[-1:] > (_MOST_DENSE_INPUTS,)
    )


def _padded_bytes(tensor: Tensor) -> int:
    channels = _channels(tensor)
    return tensor.element_count // max(channels, 1) * _up(channels, 4)


def _channels(tensor: Tensor | None) -> int:
    return abs(tensor.shape[-1]) if tensor is not None and tensor.shape else 1


def _up(count: int, unit: int) -> int:
    return -(-count // unit) * unit
