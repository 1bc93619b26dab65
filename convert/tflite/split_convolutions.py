"""Splits convolutions whose output is only read in slices, to remove the slices.

A branch of ShuffleNetV2 writes its channels in the order of their readers, each of
which reads a slice. A slice costs a call to copy a few bytes per pixel. Several
convolutions, one per reader, compute bit-identical numbers without a copy:

    conv 58 ─┬─ slice  0:29 ──▶         conv 29 ──▶
             ├─ slice 29:44 ──▶   =>    conv 15 ──▶
             ├─ slice 44:51 ──▶         conv 14 ─┬─ slice 0:7 ──▶
             └─ slice 51:58 ──▶                  └─ slice 7:14 ──▶

Thin slices stay: kernels of matrix products compute 8 or 16 channels at a time, so that
a convolution of 7 costs as much as one of 8 or 16. Time relative to the file with all
slices, by the thinnest slice that is split off (ShuffleNetV2 at 224 pixels, x86, one
thread, medians of 150 interleaved rounds):

    thinnest     1      4     12     16     32
    1.0x      0.97   0.97   0.97   0.98   1.00
    0.5x      0.95   0.97   0.97   1.00   1.00
"""

import dataclasses
import itertools
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from corallite.device.model.write import pack, unpack

_MIN_CHANNELS = 12
_OUTPUT_AXIS = 3
# One bit per axis whose begin (end) is the first (last), regardless of the tensor.
_ALL_BUT_CHANNELS = 0b0111


@dataclasses.dataclass
class _Slice:
    operator: Any
    start: int
    stop: int


def split_convolutions(content: bytes) -> bytes:
    """Returns a TFLite file with split convolutions and bit-identical outputs."""
    model = unpack(content)
    (graph,) = model.subgraphs
    readers = _readers(graph)
    operators = []
    sliced: set[int] = set()
    for operator in graph.operators:
        if id(operator) in sliced:
            continue
        groups = _group_slices(_slices_of(model, operator, readers))
        if len(groups) < 2:
            operators.append(operator)
            continue
        operators += [_convolution(model, operator, group) for group in groups]
        sliced |= {id(group[0].operator) for group in groups if len(group) == 1}
    if not sliced:
        return content
    graph.operators = operators
    _drop_unused_tensors(model)
    return pack(model)


def _readers(graph: Any) -> dict[int, list[Any]]:
    """Returns the operators that read each tensor; None for an output of the graph."""
    readers: dict[int, list[Any]] = {int(index): [None] for index in graph.outputs}
    for operator in graph.operators:
        for index in operator.inputs:
            readers.setdefault(int(index), []).append(operator)
    return readers


def _slices_of(model: Any, operator: Any, readers: dict[int, list]) -> list[_Slice]:
    """Returns the slices that read a convolution in order; [] if others read it."""
    if not isinstance(operator.builtinOptions, schema.Conv2DOptionsT):
        return []
    output = int(operator.outputs[0])
    channels = int(model.subgraphs[0].tensors[output].shape[_OUTPUT_AXIS])
    slices = [_as_slice(model, reader, channels) for reader in readers.get(output, [])]
    found = sorted((s for s in slices if s), key=lambda s: s.start)
    edges = [0, *(s.stop for s in found)]
    is_complete = [s.start for s in found] == edges[:-1] and edges[-1] == channels
    return found if is_complete and None not in slices else []


def _as_slice(model: Any, operator: Any, channels: int) -> _Slice | None:
    """Returns the channels that a slice reads; None if it also slices the image."""
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


def _group_slices(slices: list[_Slice]) -> list[list[_Slice]]:
    """Returns slices grouped by the convolution that computes them."""
    groups: list[list[_Slice]] = []
    while slices:
        first, *rest = slices
        rest_channels = rest[-1].stop - rest[0].start if rest else _MIN_CHANNELS
        if min(first.stop - first.start, rest_channels) < _MIN_CHANNELS:
            return [*groups, slices]
        groups.append([first])
        slices = rest
    return groups


def _convolution(model: Any, whole: Any, group: list[_Slice]) -> Any:
    """Returns the convolution that computes the channels of `group`."""
    tensors = model.subgraphs[0].tensors
    start, stop = group[0].start, group[-1].stop
    image, *weights = whole.inputs
    weights = [_slice_constant(model, index, start, stop) for index in weights]
    if len(group) == 1:
        output = int(group[0].operator.outputs[0])
    else:
        output = _add_copy(model, whole.outputs[0])
        tensors[output].shape = [*tensors[output].shape[:-1], stop - start]
        for piece in group:
            _move(model, piece, output, start)
    return _copied(whole, inputs=[image, *weights], outputs=[output])


def _slice_constant(model: Any, index: int, start: int, stop: int) -> int:
    """Adds a kernel or bias of a range of output channels, its first axis."""
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
    """Makes a slice read the tensor `source`, which begins at channel `offset`."""
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
    # Names are unique, because some tools address tensors by name.
    name = tensors[index].name + b"/%d" % len(tensors)
    tensors.append(_copied(tensors[index], name=name))
    return len(tensors) - 1


def _add_buffer(model: Any, array: np.ndarray) -> int:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(array.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _drop_unused_tensors(model: Any) -> None:
    """Removes tensors that no operator uses, and empties their buffers."""
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
