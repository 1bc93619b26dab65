"""Cuts a `.tflite` file off behind its first operators.

The file is edited in place, so that no package is needed and no constant is copied by
itself. A flatbuffer's offsets lead forward: what is new goes to the end.
"""

import struct

from corallite.convert.tflite.model import Graph, Tensor
from corallite.convert.tflite.reader import decode
from corallite.device.model.flatbuffer import Flatbuffer, Table

_NUMBER = struct.Struct("<I")
# Fields of the schema's tables.
_CODES, _GRAPHS, _SIGNATURES = 1, 2, 7
_OUTPUTS, _OPERATORS = 2, 3


def truncate(content: bytes, count: int) -> bytes:
    """Returns a model that runs the first operators of another and then ends.

    Its outputs are what the operators left out would have read, and those outputs of
    the whole model that are computed by then. Signatures are dropped, as they name
    outputs that are gone. Constants that nothing reads any more stay.

    Args:
        content: Of a `.tflite` file; an archive behind it is no archive any more.
        count: How many operators to keep, 1 to all of the first graph's.

    Raises:
        DamagedError: `content` is no intact model.
        ValueError: It has fewer operators, or its graph names no outputs.
    """
    graph = decode(content).main
    if not 1 <= count <= len(graph.operators):
        raise ValueError(
            f"Expected `count` to be 1 to {len(graph.operators)}, got {count!r}."
        )
    root = Flatbuffer(content).root()
    graphs = root.tables(_GRAPHS)
    outputs, operators = (graphs[0].find(field) for field in (_OUTPUTS, _OPERATORS))
    if outputs is None or operators is None:
        raise ValueError("Expected the first graph of `content` to name outputs.")
    edited = bytearray(content)
    _set_length(edited, operators, count)
    _alias_unused_codes(edited, root, count)
    signatures = root.find(_SIGNATURES)
    if signatures is not None:
        _set_length(edited, signatures, 0)
    found = find_outputs(graph, count)
    _replace_vector(edited, outputs, [tensor.index for tensor in found])
    return bytes(edited)


def find_outputs(graph: Graph, count: int) -> list[Tensor]:
    """Returns what the first `count` operators of `graph` compute for others to read.

    If nobody reads any of it, it is all that the last of them writes.
    """
    kept, left = graph.operators[:count], graph.operators[count:]
    wanted = {tensor.index for tensor in graph.outputs}
    wanted |= {tensor.index for operator in left for tensor in operator.read}
    written = {t.index: t for operator in kept for t in operator.written}
    outputs = [t for t in written.values() if t.index in wanted and not t.is_variable]
    return outputs or kept[-1].written


def _alias_unused_codes(edited: bytearray, root: Table, count: int) -> None:
    """Lets kinds of operators that are not used any more stand for one that is.

    A runtime asks for all kinds that a file declares, and stops at one it has not.
    Tables lie behind all offsets of the vector that leads to them, so that any of
    these offsets can lead to any of the tables.
    """
    first, *others = (graph.tables(_OPERATORS) for graph in root.tables(_GRAPHS))
    running = [*first[:count], *(table for tables in others for table in tables)]
    used = {operator.number(0, "I") for operator in running}
    start = _follow(edited, root.find(_CODES) or 0)
    (length,) = _NUMBER.unpack_from(edited, start)
    places = [start + _NUMBER.size * (1 + number) for number in range(length)]
    target = _follow(edited, places[first[0].number(0, "I")])
    for number, place in enumerate(places):
        if number not in used:
            _NUMBER.pack_into(edited, place, target - place)


def _set_length(edited: bytearray, place: int, length: int) -> None:
    """Shortens the vector that the field at `place` leads to."""
    _NUMBER.pack_into(edited, _follow(edited, place), length)


def _replace_vector(edited: bytearray, place: int, numbers: list[int]) -> None:
    """Lets the field at `place` lead to a new vector, at the end of the file."""
    edited += bytes(-len(edited) % _NUMBER.size)
    _NUMBER.pack_into(edited, place, len(edited) - place)
    edited += struct.pack(f"<I{len(numbers)}i", len(numbers), *numbers)


def _follow(edited: bytearray, place: int) -> int:
    return place + _NUMBER.unpack_from(edited, place)[0]
