"""Splits convolutions whose output is only read in slices, so that nothing is sliced.

A branch of ShuffleNetV2 puts out its channels in the order of their readers, each of
which takes a slice of them. A slice costs a call to copy a few bytes for every pixel.
Several convolutions, one for each reader, compute the same numbers, bit by bit, and
need no copy:

    conv 58 ─┬─ slice  0:29 ──▶         conv 29 ──▶
             ├─ slice 29:44 ──▶   =>    conv 15 ──▶
             ├─ slice 44:51 ──▶         conv 14 ─┬─ slice 0:7 ──▶
             └─ slice 51:58 ──▶                  └─ slice 7:14 ──▶

Thin slices stay: kernels of matrix products put out 8 or 16 channels at a time, and a
convolution of 7 costs as much as one of 8 or 16. By the thinnest that is split off,
times of the file with all its slices (ShuffleNetV2 at 224 pixels, x86, one thread,
medians of 150 interleaved rounds):

    thinnest     1      4     12     16     32
    1.0x      0.97   0.97   0.97   0.98   1.00
    0.5x      0.95   0.97   0.97   1.00   1.00
"""

import dataclasses
import itertools
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from corallite.convert.tflite.objects import pack, unpack

_MIN_CHANNELS = 12
_OUTPUT_AXIS = 3
# A bit for each axis whose begin (end) is the first (last), whatever the tensor says.
_ALL_BUT_CHANNELS = 0b0111


@dataclasses.dataclass
class _Slice:
    operator: Any
    start: int
    stop: int


def split_convolutions(content: bytes) -> bytes:
    """Returns a TFLite file that computes the same, bit by bit."""
    model = unpack(content)
    (graph,) = model.subgraphs
    readers = _readers(graph)
    operators = []
    sliced: set[int] = set()
    for operator in graph.operators:
        if id(operator) in sliced:
            continue
        parts = _choose_parts(_slices_of(model, operator, readers))
        if len(parts) < 2:
            operators.append(operator)
            continue
        operators += [_convolution(model, operator, part) for part in parts]
        sliced |= {id(part[0].operator) for part in parts if len(part) == 1}
    if not sliced:
        return content
    graph.operators = operators
    _drop_unused_tensors(model)
    return pack(model)


def _readers(graph: Any) -> dict[int, list[Any]]:
    """Returns what reads each tensor; None stands for the world outside."""
    readers: dict[int, list[Any]] = {int(index): [None] for index in graph.outputs}
    for operator in graph.operators:
        for index in operator.inputs:
            readers.setdefault(int(index), []).append(operator)
    return readers


def _slices_of(model: Any, operator: Any, readers: dict[int, list]) -> list[_Slice]:
    """Returns the slices of a convolution's channels in order, if all are slices."""
    if not isinstance(operator.builtinOptions, schema.Conv2DOptionsT):
        return []
    output = int(operator.outputs[0])
    channels = int(model.subgraphs[0].tensors[output].shape[_OUTPUT_AXIS])
    slices = [_as_slice(model, reader, channels) for reader in readers.get(output, [])]
    found = sorted((s for s in slices if s), key=lambda s: s.start)
    edges = [0, *(s.stop for s in found)]
    is_whole = [s.start for s in found] == edges[:-1] and edges[-1] == channels
    return found if is_whole and None not in slices else []


def _as_slice(model: Any, operator: Any, channels: int) -> _Slice | None:
    """Returns what a slice takes if that is all of the image; None if it is no such."""
    options = operator and operator.builtinOptions
    if not isinstance(options, schema.StridedSliceOptionsT):
        return None
    begin, end, strides = (_numbers(model, index) for index in operator.inputs[1:])
    takes_image = options.beginMask == options.endMask == _ALL_BUT_CHANNELS
    is_plain = not (options.ellipsisMask or options.newAxisMask or options.offset)
    if options.shrinkAxisMask or not (takes_image and is_plain and all(strides == 1)):
        return None
    start, stop = int(begin[_OUTPUT_AXIS]), int(end[_OUTPUT_AXIS])
    return _Slice(operator, start, stop) if 0 <= start < stop <= channels else None


def _choose_parts(slices: list[_Slice]) -> list[list[_Slice]]:
    """Returns slices grouped by the convolution that puts them out."""
    parts: list[list[_Slice]] = []
    while slices:
        first, *rest = slices
        rest_channels = rest[-1].stop - rest[0].start if rest else _MIN_CHANNELS
        if min(first.stop - first.start, rest_channels) < _MIN_CHANNELS:
            return [*parts, slices]
        parts.append([first])
        slices = rest
    return parts


def _convolution(model: Any, whole: Any, part: list[_Slice]) -> Any:
    """Returns the convolution that puts out the channels of `part`."""
    tensors = model.subgraphs[0].tensors
    start, stop = part[0].start, part[-1].stop
    image, *weights = whole.inputs
    weights = [_cut_constant(model, index, start, stop) for index in weights]
    if len(part) == 1:
        output = int(part[0].operator.outputs[0])
    else:
        output = _add_copy(model, whole.outputs[0])
        tensors[output].shape = [*tensors[output].shape[:-1], stop - start]
        for piece in part:
            _move(model, piece, output, start)
    return _copied(whole, inputs=[image, *weights], outputs=[output])


def _cut_constant(model: Any, index: int, start: int, stop: int) -> int:
    """Adds a kernel or bias of some of the output channels, its first axis."""
    tensors = model.subgraphs[0].tensors
    tensor = tensors[_add_copy(model, index)]
    data = model.buffers[tensor.buffer].data.reshape(tensor.shape[0], -1)
    tensor.buffer = _add_buffer(model, data[start:stop])
    tensor.shape = [stop - start, *tensor.shape[1:]]
    scales = tensor.quantization.scale if tensor.quantization else None
    if scales is not None and len(scales) > 1:
        tensor.quantization = _copied(
            tensor.quantization,
            scale=scales[start:stop],
            zeroPoint=tensor.quantization.zeroPoint[start:stop],
        )
    return len(tensors) - 1


def _move(model: Any, piece: _Slice, source: int, offset: int) -> None:
    """Lets a slice read the tensor `source`, which begins at channel `offset`."""
    tensors = model.subgraphs[0].tensors
    inputs = [source]
    for index, edge in zip(
        piece.operator.inputs[1:3], (piece.start, piece.stop), strict=True
    ):
        inputs.append(_add_copy(model, index))
        numbers = np.array([0, 0, 0, edge - offset], "<i4")
        tensors[-1].buffer = _add_buffer(model, numbers)
    piece.operator.inputs = [*inputs, piece.operator.inputs[3]]


def _add_copy(model: Any, index: int) -> int:
    tensors = model.subgraphs[0].tensors
    # No two tensors of one name: some tools address them by it.
    name = tensors[index].name + b"/%d" % len(tensors)
    tensors.append(_copied(tensors[index], name=name))
    return len(tensors) - 1


def _add_buffer(model: Any, array: np.ndarray) -> int:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(array.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _drop_unused_tensors(model: Any) -> None:
    """Removes tensors that no operator reads or writes, and empties their buffers."""
    (graph,) = model.subgraphs
    ends = [graph.inputs, graph.outputs]
    ports = [list(x) for op in graph.operators for x in (op.inputs, op.outputs)]
    used = sorted({int(i) for i in itertools.chain(*ends, *ports) if i >= 0})
    new_index = {old: new for new, old in enumerate(used)} | {-1: -1}
    kept = {graph.tensors[index].buffer for index in used}
    for tensor in graph.tensors:
        if tensor.buffer not in kept:
            model.buffers[tensor.buffer].data = None
    graph.tensors = [graph.tensors[index] for index in used]
    for holder in (graph, *graph.operators):
        holder.inputs = [new_index[int(index)] for index in holder.inputs]
        holder.outputs = [new_index[int(index)] for index in holder.outputs]
    for signature in model.signatureDefs or []:
        for port in (*signature.inputs, *signature.outputs):
            port.tensorIndex = new_index[port.tensorIndex]


def _numbers(model: Any, index: int) -> np.ndarray:
    tensor = model.subgraphs[0].tensors[index]
    return np.frombuffer(model.buffers[tensor.buffer].data.tobytes(), "<i4")


def _copied(thing: Any, **changes: Any) -> Any:
    copy = type(thing)()
    vars(copy).update({**vars(thing), **changes})
    return copy
