"""Lists the operators of an int8 `.tflite` file."""

import math
from collections.abc import Callable
from mmap import mmap
from typing import Any

from corallite.device.benchmark.layers.operator import Operator
from corallite.device.model.description.graph import FileGraph, Step, damaged
from corallite.device.model.flatbuffer import DamagedError
from corallite.device.model.signature import TensorSpec
from corallite.device.system.errors import RequestError

_Shape = tuple[int, ...]
# By builtin operator code of the schema: the names of the fused rectifiers.
_ACTIVATIONS = {0: "none", 1: "relu", 3: "relu6"}
# Fields of the options of operators with a window; those after them differ.
_PADDING, _STRIDE_W, _STRIDE_H = 0, 1, 2
_POOL_WINDOW = (4, 3)
_INT8 = ("int8", "uint8")


def list_operators(content: bytes | mmap, name: str = "The model") -> list[Operator]:
    """Returns the operators of a file in the order of execution; equal ones repeat.

    Args:
        content: All of a `.tflite` file.
        name: The file's name, for errors.

    Raises:
        RequestError: The file is damaged, or has an operator that `Operator` cannot
            describe, such as one of floats.
    """
    try:
        graph = FileGraph(content)
        return [_describe(graph, step, name) for step in graph.steps]
    except DamagedError as error:
        raise damaged(name, error) from error


class _UnknownError(Exception):
    """An operator is none of the kinds; the message says why."""


def _describe(graph: FileGraph, step: Step, name: str) -> Operator:
    try:
        if step.code not in _DESCRIBERS or len(step.outputs) != 1:
            raise _UnknownError("of another kind")
        return _DESCRIBERS[step.code](_Step(graph, step))
    except (_UnknownError, ValueError) as error:
        code = step.custom or step.code
        raise RequestError(
            f"{name}: operator {step.place} (code {code}) cannot be measured alone: it "
            f"is {error}."
        ) from error


class _Step:
    """An operator with its tensors and options."""

    def __init__(self, graph: FileGraph, step: Step) -> None:
        self.graph = graph
        self.inputs = step.inputs
        self.options = graph.options(step.place)
        self.specs = [graph.tensor(t) for t in step.inputs if t >= 0]
        self.output = graph.tensor(step.outputs[0])
        if not self.specs:
            raise _UnknownError("without input")
        for spec in (self.specs[0], self.output):
            if spec.dtype not in _INT8:
                raise _UnknownError(f"on {spec.dtype}, not on int8")

    def option(self, field: int, kind: str = "b", default: int = 0) -> int:
        options = self.options
        return default if options is None else options.number(field, kind, default)

    def activation(self, field: int) -> str:
        number = self.option(field)
        if number not in _ACTIVATIONS:
            raise _UnknownError(f"with the fused activation {number}")
        return _ACTIVATIONS[number]

    def is_constant(self, position: int) -> bool:
        return self.graph.is_constant(self.inputs[position])

    def make(self, kind: str, **fields: Any) -> Operator:
        """Returns an operator from the first input and the output."""
        height, width, channels = _as_map(self.specs[0])
        made = {"channels": (channels,), "out_channels": _as_map(self.output)[2]}
        return Operator(kind, height, width, **{**made, **fields})


def _window(
    step: _Step, kind: str, kernel: _Shape, activation: int, dilations: _Shape = ()
) -> Operator:
    """The last two arguments are fields of the options."""
    if any(step.option(field, "i", 1) != 1 for field in dilations):
        raise _UnknownError("dilated")
    made = step.make(
        kind,
        kernel=kernel,
        strides=(step.option(_STRIDE_H, "i"), step.option(_STRIDE_W, "i")),
        padding="valid" if step.option(_PADDING) else "same",
        activation=step.activation(activation),
    )
    if made.out_size != _as_map(step.output)[:2]:
        raise _UnknownError("of an output size that does not follow from its input")
    return made


def _conv(step: _Step) -> Operator:
    shape = _weights(step, 4)
    if shape[3] != _as_map(step.specs[0])[2]:
        raise _UnknownError("a grouped convolution")
    return _window(step, "conv", shape[1:3], 3, (4, 5))


def _depthwise(step: _Step) -> Operator:
    return _window(step, "depthwise", _weights(step, 4)[1:3], 4, (5, 6))


def _weights(step: _Step, rank: int) -> _Shape:
    shape = step.specs[1].shape if len(step.specs) > 1 else ()
    if len(shape) != rank or not step.is_constant(1):
        raise _UnknownError("without constant weights")
    return shape


def _pool(kind: str) -> Callable[[_Step], Operator]:
    def describe(step: _Step) -> Operator:
        kernel = tuple(step.option(field, "i") for field in _POOL_WINDOW)
        return _window(step, kind, kernel, 5)

    return describe


def _dense(step: _Step) -> Operator:
    outputs, inputs = _weights(step, 2)
    if math.prod(step.specs[0].shape) != inputs:
        raise _UnknownError("of several vectors")
    return Operator("dense", 1, 1, (inputs,), outputs, activation=step.activation(0))


def _elementwise(kind: str, broadcast: str = "") -> Callable[[_Step], Operator]:
    """Of two maps; of a map and a scalar; or, if named, of a map and a vector."""

    def describe(step: _Step) -> Operator:
        if len(step.specs) != 2:
            raise _UnknownError("without two inputs")
        activation = step.activation(0)
        first, second = step.specs
        if step.is_constant(1):
            if math.prod(second.shape) != 1:
                raise _UnknownError("with a constant of several values")
            return step.make(f"{kind}_constant", activation=activation)
        sizes = [_as_map(first), _as_map(second)]
        is_vector = sizes[1] == (1, 1, sizes[0][2])
        if sizes[0] != sizes[1] and not (is_vector and broadcast):
            raise _UnknownError("of two maps of different sizes")
        return step.make(
            kind if sizes[0] == sizes[1] else broadcast,
            channels=(sizes[0][2], sizes[1][2]),
            activation=activation,
        )

    return describe


def _concat(step: _Step) -> Operator:
    maps, made = [_as_map(spec) for spec in step.specs], _as_map(step.output)
    if len(maps) < 2 or step.option(1):
        raise _UnknownError("with one input or an activation")
    if all(size[:2] == made[:2] for size in maps):
        return step.make("concat", channels=tuple(size[2] for size in maps))
    height, width, channels = max(maps)
    added = (made[0] - height, made[1] - width)
    if all(added) or any(size[2] != channels for size in maps):
        raise _UnknownError("along several axes")
    return Operator("border", height, width, (channels, channels), channels, added)


def _mean(step: _Step) -> Operator:
    given = step.graph.integers(step.inputs[1]) if len(step.inputs) > 1 else ()
    axes = sorted(axis % 4 for axis in given)
    if axes != [1, 2] or len(step.specs[0].shape) != 4:
        raise _UnknownError("not over rows and columns")
    return step.make("pool")


def _slice(step: _Step) -> Operator:
    before, after = _as_map(step.specs[0]), _as_map(step.output)
    steps = step.graph.integers(step.inputs[3]) if len(step.inputs) > 3 else ()
    if before[2] != after[2] and before[:2] != after[:2] or set(steps) - {1}:
        raise _UnknownError("neither along the channels nor of an area")
    if before[2] != after[2]:
        return step.make("slice")
    return step.make("crop", kernel=(before[0] - after[0], before[1] - after[1]))


def _pad(step: _Step) -> Operator:
    rows, columns, _ = _as_map(step.specs[0])
    after = _as_map(step.output)
    return step.make("pad", kernel=(after[0] - rows, after[1] - columns))


def _quantize(step: _Step) -> Operator:
    before, after = step.specs[0].dtype, step.output.dtype
    return step.make("requantize" if before == after else f"{before}_to_{after}")


def _reshape(step: _Step) -> Operator:
    return step.make("reshape", out_channels=_as_map(step.specs[0])[2])


def _plain(kind: str) -> Callable[[_Step], Operator]:
    return lambda step: step.make(kind)


def _as_map(spec: TensorSpec) -> tuple[int, int, int]:
    """Returns rows, columns and channels; a vector is a map of 1x1."""
    shape = spec.shape
    if len(shape) == 2:
        shape = (shape[0], 1, 1, shape[1])
    if len(shape) != 4 or shape[0] != 1:
        raise _UnknownError(f"on a tensor of {spec.sizes}, not of 1 image")
    return shape[1], shape[2], shape[3]


# By builtin operator code of the schema.
_DESCRIBERS: dict[int, Callable[[_Step], Operator]] = {
    0: _elementwise("add"),
    1: _pool("average_pool"),
    2: _concat,
    3: _conv,
    4: _depthwise,
    9: _dense,
    14: _plain("logistic"),
    17: _pool("max_pool"),
    18: _elementwise("mul", broadcast="scale"),
    19: _plain("relu"),
    21: _plain("relu6"),
    22: _reshape,
    25: _plain("softmax"),
    34: _pad,
    40: _mean,
    45: _slice,
    65: _slice,
    114: _quantize,
    117: _plain("hard_swish"),
}
