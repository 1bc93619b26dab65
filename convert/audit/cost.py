"""Computes the cost of a model: MACs, parameters, memory for activations."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

from corallite.convert.tflite.model import Graph, Operator, Tensor


@dataclass(frozen=True)
class Peak:
    """The peak of the memory for activations.

    Attributes:
        bytes: Size of all live tensors while the operator runs.
        operator: Number of the operator; None if there are none.
    """

    bytes: int
    operator: int | None


def count_macs(operator: Operator) -> int:
    """Returns the multiply-accumulates of one operator.

    It counts convolutions, dense layers and matrix products, as papers do; other
    operators count as 0, open dimensions as 1.
    """
    output, weights = operator.output(), operator.input(1)
    count = _MACS_PER_OUTPUT.get(operator.name)
    if operator.name == "TRANSPOSE_CONV":
        # Each input value is multiplied by each weight of its channel.
        source = operator.input(2)
        return _pixels(source) * weights.element_count if source and weights else 0
    if count is None or output is None or weights is None:
        return 0
    return output.element_count * count(operator, weights)


def count_parameter_bytes(graph: Graph) -> int:
    """Returns the bytes of all constants that are read; shared ones count once."""
    places = {
        (tensor.start, tensor.size)
        for operator in graph.operators
        for tensor in operator.inputs
        if tensor is not None
    }
    return sum(size for _, size in places)


def find_peak(graph: Graph) -> Peak:
    """Finds the operator at which the live activations take the most memory.

    A tensor is live from the operator that writes it to the last one that reads it.
    Inputs of the graph are live from the start, outputs to the end. A runtime that
    computes in place needs less; an arena with gaps needs more.
    """
    if not graph.operators:
        return Peak(0, None)
    begins, ends = _lifetimes(graph)
    changes = [0] * (len(graph.operators) + 1)
    for tensor in graph.tensors:
        if tensor.index in begins and not tensor.is_constant:
            changes[begins[tensor.index]] += tensor.byte_count
            changes[ends[tensor.index] + 1] -= tensor.byte_count
    alive = list(itertools.accumulate(changes[:-1]))
    most = max(alive)
    return Peak(most, alive.index(most))


def _lifetimes(graph: Graph) -> tuple[dict[int, int], dict[int, int]]:
    """Returns the first and the last operator of each tensor that is used."""
    last = len(graph.operators) - 1
    begins = {tensor.index: 0 for tensor in graph.inputs}
    ends = {tensor.index: 0 for tensor in graph.inputs}
    for operator in graph.operators:
        for tensor in (*operator.read, *operator.written):
            begins.setdefault(tensor.index, 0 if tensor.is_variable else operator.index)
            ends[tensor.index] = last if tensor.is_variable else operator.index
    ends.update({t.index: last for t in graph.outputs if t.index in begins})
    return begins, ends


def _taps_and_depth(operator: Operator, weights: Tensor) -> int:
    """[output channels, height, width, input channels of a group]."""
    return math.prod(abs(size) for size in weights.shape[1:])


def _taps(operator: Operator, weights: Tensor) -> int:
    """[1, height, width, output channels]."""
    return math.prod(abs(size) for size in weights.shape[1:3])


def _volume_and_depth(operator: Operator, weights: Tensor) -> int:
    """[depth, height, width, input channels, output channels]."""
    return math.prod(abs(size) for size in weights.shape[:4])


def _common_size(operator: Operator, second: Tensor) -> int:
    """The dimension that a product of two matrices sums over."""
    axis = -1 if operator.options.get("transpose_b") else -2
    return abs(second.shape[axis]) if len(second.shape) >= 2 else 1


_MACS_PER_OUTPUT: dict[str, Callable[[Operator, Tensor], int]] = {
    "BATCH_MATMUL": _common_size,
    "CONV_2D": _taps_and_depth,
    "CONV_3D": _volume_and_depth,
    "DEPTHWISE_CONV_2D": _taps,
    "FULLY_CONNECTED": _taps_and_depth,
}


def _pixels(tensor: Tensor) -> int:
    return math.prod(abs(size) for size in tensor.shape[:-1])
