"""Writes int8 `.tflite` files with one operator, or with several."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from corallite.device.benchmark.layers.file_builder import (
    SCALE,
    ZERO_POINT,
    FileBuilder,
    OperatorType,
)
from corallite.device.benchmark.layers.operator import WINDOWS, Operator
from corallite.device.model.write import schema

_BUILTIN = schema.BuiltinOperator
_ADD = OperatorType(_BUILTIN.ADD, 2, "AddOptions")
_CONCAT = OperatorType(_BUILTIN.CONCATENATION, 2, "ConcatenationOptions")
_MUL = OperatorType(_BUILTIN.MUL, 2, "MulOptions")
_QUANTIZE = OperatorType(_BUILTIN.QUANTIZE, 2, "QuantizeOptions")
_SLICE = OperatorType(_BUILTIN.STRIDED_SLICE, 2, "StridedSliceOptions")
_TYPES: dict[str, OperatorType] = {
    "add": _ADD,
    "add_constant": _ADD,
    "average_pool": OperatorType(_BUILTIN.AVERAGE_POOL_2D, 2, "Pool2DOptions"),
    "border": _CONCAT,
    "concat": _CONCAT,
    "conv": OperatorType(_BUILTIN.CONV_2D, 3, "Conv2DOptions"),
    "crop": _SLICE,
    "dense": OperatorType(_BUILTIN.FULLY_CONNECTED, 4, "FullyConnectedOptions"),
    "depthwise": OperatorType(_BUILTIN.DEPTHWISE_CONV_2D, 3, "DepthwiseConv2DOptions"),
    "hard_swish": OperatorType(_BUILTIN.HARD_SWISH, 1, "HardSwishOptions"),
    "int8_to_uint8": _QUANTIZE,
    "logistic": OperatorType(_BUILTIN.LOGISTIC, 2),
    "max_pool": OperatorType(_BUILTIN.MAX_POOL_2D, 2, "Pool2DOptions"),
    "mul": _MUL,
    "mul_constant": _MUL,
    "pad": OperatorType(_BUILTIN.PAD, 2, "PadOptions"),
    "pool": OperatorType(_BUILTIN.MEAN, 2, "ReducerOptions"),
    "relu": OperatorType(_BUILTIN.RELU, 2),
    "relu6": OperatorType(_BUILTIN.RELU6, 2),
    "requantize": _QUANTIZE,
    "reshape": OperatorType(_BUILTIN.RESHAPE, 1, "ReshapeOptions"),
    "scale": _MUL,
    "slice": _SLICE,
    "softmax": OperatorType(_BUILTIN.SOFTMAX, 2, "SoftmaxOptions"),
    "uint8_to_int8": _QUANTIZE,
}
_ACTIVATIONS = {"none": 0, "relu": 1, "relu6": 3}
# TFLite fixes these for the outputs of softmax and logistic.
_PROBABILITY = (1 / 256, -128)


def write_operator(operator: Operator, seed: int = 0) -> bytes:
    """Returns an int8 `.tflite` file of one operator, with random weights.

    Weights of convolutions have a scale per channel, those of "dense" a single one, as
    in the files of `convert`.

    Args:
        operator: The operator.
        seed: Of the weights.
    """
    return write_operators([operator], seed)


def write_operators(operators: Sequence[Operator], seed: int = 0) -> bytes:
    """Returns an int8 `.tflite` file of several operators, each with its own weights.

    An operator reads the last tensors that have the sizes of its inputs, or else inputs
    of the file. Tensors that none reads are outputs: XNNPACK leaves out what is not
    used. The output of the first one is named "operator_0", and so on.

    Args:
        operators: At least one, in the order of execution.
        seed: Of the weights.
    """
    file = FileBuilder(np.random.default_rng(seed))
    wiring = _Wiring(file)
    for operator in operators:
        inputs = wiring.take(operator)
        inputs += _add_constants(file, operator)
        output = _add_output(file, operator)
        kind = _TYPES[operator.kind]
        file.add_operator(kind, inputs, output, _options(operator))
        wiring.written.append(output)
    return file.pack(wiring.inputs, wiring.outputs)


class _Wiring:
    """The tensors of a graph that operators may read.

    Attributes:
        inputs: Those of the graph.
        written: Those that operators wrote.
    """

    def __init__(self, file: FileBuilder) -> None:
        self._file = file
        self._read: set[int] = set()
        self.inputs: list[int] = []
        self.written: list[int] = []

    @property
    def outputs(self) -> list[int]:
        """Tensors that no operator reads."""
        return [tensor for tensor in self.written if tensor not in self._read]

    def take(self, operator: Operator) -> list[int]:
        """Returns a tensor for each input of an operator, different ones."""
        taken: list[int] = []
        dtype = "uint8" if operator.kind == "uint8_to_int8" else "int8"
        for number in range(len(operator.channels)):
            taken.append(self._find(_input_shape(operator, number), dtype, taken))
        self._read.update(taken)
        return taken

    def _find(self, shape: Sequence[int], dtype: str, taken: list[int]) -> int:
        for tensor in reversed([*self.inputs, *self.written]):
            if tensor not in taken and self._file.fits(tensor, shape, dtype):
                return tensor
        zero_point = ZERO_POINT + 128 * (dtype == "uint8")
        self.inputs.append(self._file.add_tensor(shape, dtype, zero_point=zero_point))
        return self.inputs[-1]


def _input_shape(operator: Operator, number: int) -> tuple[int, ...]:
    rows, columns, channels = operator.height, operator.width, operator.channels[number]
    if operator.kind in ("dense", "softmax"):
        return 1, channels
    if number and operator.kind == "scale":
        return 1, 1, 1, channels
    if number and operator.kind == "border":
        added = operator.kernel
        return 1, added[0] or rows, added[1] or columns, channels
    return 1, rows, columns, channels


def _add_output(file: FileBuilder, operator: Operator) -> int:
    shape: tuple[int, ...] = (1, *operator.out_size, operator.out_channels)
    if operator.kind in ("dense", "pool", "reshape", "softmax"):
        shape = (1, operator.out_channels * _pixels(operator))
    scale, zero_point = SCALE, ZERO_POINT
    if operator.kind in ("softmax", "logistic"):
        scale, zero_point = _PROBABILITY
    if operator.kind == "requantize":
        scale = 2 * SCALE
    if operator.kind == "int8_to_uint8":
        return file.add_tensor(shape, "uint8", (scale,), zero_point + 128)
    return file.add_tensor(shape, scales=(scale,), zero_point=zero_point)


def _pixels(operator: Operator) -> int:
    return operator.out_size[0] * operator.out_size[1]


def _add_constants(file: FileBuilder, operator: Operator) -> list[int]:
    kind, (rows, columns) = operator.kind, operator.kernel
    depth, outputs = operator.channels[0], operator.out_channels
    if kind == "conv":
        return file.add_weights((outputs, rows, columns, depth), outputs, 0)
    if kind == "depthwise":
        return file.add_weights((1, rows, columns, outputs), outputs, 3)
    if kind == "dense":
        return file.add_weights((outputs, depth), 1, 0)
    if kind in ("add_constant", "mul_constant"):
        return [file.add_tensor((), data=np.array(64, np.int8))]
    if kind == "pool":
        return [file.add_integers([1, 2])]
    if kind == "pad":
        rows_before, columns_before = rows // 2, columns // 2
        widths = [(0, 0), (rows_before, rows - rows_before)]
        widths.append((columns_before, columns - columns_before))
        return [file.add_integers([*widths, (0, outputs - depth)])]
    if kind in ("slice", "crop"):
        ends = (0, *operator.out_size, outputs)
        return [file.add_integers(x) for x in ((0,) * 4, ends, (1,) * 4)]
    if kind == "reshape":
        return [file.add_integers([1, depth * operator.height * operator.width])]
    return []


def _options(operator: Operator) -> dict[str, Any]:
    kind = operator.kind
    options: dict[str, Any] = {}
    if kind in WINDOWS:
        options["padding"] = int(operator.padding == "valid")
        options["strideH"], options["strideW"] = operator.strides
    if kind in ("average_pool", "max_pool"):
        options["filterHeight"], options["filterWidth"] = operator.kernel
    if kind == "depthwise":
        options["depthMultiplier"] = operator.out_channels // operator.channels[0]
    if operator.activation != "none":
        options["fusedActivationFunction"] = _ACTIVATIONS[operator.activation]
    if kind == "concat":
        options["axis"] = 3
    if kind == "border":
        options["axis"] = 1 if operator.kernel[0] else 2
    if kind == "softmax":
        options["beta"] = 1.0
    if kind in ("slice", "crop"):
        # Bits of the axes that stay whole.
        options["beginMask"] = options["endMask"] = 7 if kind == "slice" else 9
    return options
