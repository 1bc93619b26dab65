"""What an operator costs apart from time: multiply-accumulates and bytes of the file.

The bytes are those of a compacted int8 file, rather too many than too few: 0.0 to
+1.1 % for 19 trained networks from 20 to 520 kB, to which the constants were fitted.
"""

from collections.abc import Iterable

from corallite.device.benchmark.layers.operator import Operator

_KERNELS = ("conv", "depthwise", "dense")
_MARGIN = 1.01
_KERNEL_BYTES, _OTHER_BYTES = 285, 215
# For an output channel of a kernel: its bias, and the scales of bias and kernel.
_CHANNEL_BYTES = 12
# Kernels of the same width share their zero points.
_ZERO_POINT_BYTES = 8
_FILE_BYTES = 1_820
_MANIFEST_BYTES, _LABEL_BYTES = 2_010, 32


def count_macs(operator: Operator) -> float:
    """Returns the multiply-accumulates of an operator."""
    if operator.kind not in _KERNELS:
        return 0
    height, width = operator.out_size
    return height * width * _count_weights(operator)


def count_bytes(operator: Operator) -> float:
    """Returns what an operator adds to the bytes of a file."""
    if operator.kind not in _KERNELS:
        return _MARGIN * _OTHER_BYTES
    channels = _CHANNEL_BYTES * operator.out_channels
    return _MARGIN * (_KERNEL_BYTES + _count_weights(operator) + channels)


def count_shared_bytes(operators: Iterable[Operator]) -> float:
    """Returns the bytes that the operators of a network have together."""
    widths = {x.out_channels for x in operators if x.kind in _KERNELS}
    return _MARGIN * (_FILE_BYTES + _ZERO_POINT_BYTES * sum(widths))


def count_manifest_bytes(classes: int) -> float:
    """Returns the bytes of the manifest and the labels of this many classes."""
    return _MARGIN * (_MANIFEST_BYTES + _LABEL_BYTES * classes)


def _count_weights(operator: Operator) -> int:
    inputs = 1 if operator.kind == "depthwise" else operator.channels[0]
    return operator.kernel[0] * operator.kernel[1] * inputs * operator.out_channels
