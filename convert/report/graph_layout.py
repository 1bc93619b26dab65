"""Places the operators of a graph in layers, with parallel branches in lanes."""

from collections.abc import Mapping
from dataclasses import dataclass

from corallite.convert.tflite.model import Graph


@dataclass(frozen=True)
class Layout:
    """Where operators are drawn, and the lines between them.

    The layer of an operator is the length of the longest path to it from the inputs.
    Operators of one layer are in different lanes.

    Attributes:
        layers: Of each operator.
        lanes: Of each operator.
        segments: Lines as (layer, lane, lane in the next layer), each once.
    """

    layers: tuple[int, ...]
    lanes: tuple[int, ...]
    segments: tuple[tuple[int, int, int], ...]

    @property
    def depth(self) -> int:
        """How many layers there are."""
        return max(self.layers, default=-1) + 1


def lay_out(graph: Graph) -> Layout:
    """Places the operators of `graph`, which are in the order of execution.

    A line that passes a layer keeps a lane there, so that it does not run behind an
    operator that neither writes nor reads its tensor.
    """
    makers = _find_makers(graph)
    layers = _delay(_find_layers(makers), makers)
    # The last layer that reads the output of each operator.
    ends: dict[int, int] = {}
    for reader, read in makers.items():
        for maker in read:
            ends[maker] = max(ends.get(maker, 0), layers[reader])
    lanes: dict[int, int] = {}
    segments: set[tuple[int, int, int]] = set()
    lines: dict[int, int] = {}
    for layer, here in enumerate(_members(layers)):
        passing = {maker: lane for maker, lane in lines.items() if ends[maker] > layer}
        taken = dict(passing)
        for index in sorted(here, key=lambda i: _wish(makers[i], lines)):
            lane = _nearest_free(_wish(makers[index], lines), set(taken.values()))
            lanes[index] = taken[index] = lane
            segments |= {(layer - 1, lines[maker], lane) for maker in makers[index]}
        segments |= {(layer - 1, lane, lane) for lane in passing.values()}
        lines = {i: lane for i, lane in taken.items() if ends.get(i, 0) > layer}
    return Layout(
        tuple(layers[i] for i in sorted(layers)),
        tuple(lanes[i] for i in sorted(lanes)),
        tuple(sorted(segments)),
    )


def _find_makers(graph: Graph) -> dict[int, list[int]]:
    """Returns the earlier operators whose outputs each operator reads."""
    maker: dict[int, int] = {}
    found = {}
    for operator in graph.operators:
        read = {maker[t.index] for t in operator.read if t.index in maker}
        found[operator.index] = sorted(read)
        maker.update({t.index: operator.index for t in operator.written})
    return found


def _find_layers(makers: Mapping[int, list[int]]) -> dict[int, int]:
    layers: dict[int, int] = {}
    for index, read in makers.items():
        layers[index] = max((layers[maker] + 1 for maker in read), default=0)
    return layers


def _delay(
    layers: Mapping[int, int], makers: Mapping[int, list[int]]
) -> dict[int, int]:
    """Moves an operator with one input to the layer just before its first reader.

    Slices of one tensor then share its line, instead of one long line each.
    """
    delayed = dict(layers)
    earliest: dict[int, int] = {}
    for index in sorted(layers, reverse=True):
        if index in earliest and len(makers[index]) == 1:
            delayed[index] = earliest[index] - 1
        for maker in makers[index]:
            earliest[maker] = min(earliest.get(maker, delayed[index]), delayed[index])
    return delayed


def _members(layers: Mapping[int, int]) -> list[list[int]]:
    """Returns the operators of each layer."""
    members: list[list[int]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for index, layer in layers.items():
        members[layer].append(index)
    return members


def _wish(read: list[int], lines: Mapping[int, int]) -> int:
    """Returns the lane in which the line from the first of `read` is straight."""
    return min((lines[maker] for maker in read), default=0)


def _nearest_free(wish: int, taken: set[int]) -> int:
    lanes = range(len(taken) + wish + 1)
    free = [lane for lane in lanes if lane not in taken]
    return min(free, key=lambda lane: abs(lane - wish))
