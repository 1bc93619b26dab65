"""Groups of operators, compared with TFLite's algorithm."""

import random

import pytest

from corallite.convert.edgetpu.predict.partition import partition
from corallite.convert.tflite.reader import decode


def sweep(graph, supported):
    """The groups by TFLite's algorithm: repeated sweeps over all operators."""
    made_later = {t.index for op in graph.operators for t in op.written}
    groups, left = [], list(graph.operators)
    while left:
        members, kind, changed = [], None, True
        while changed:
            changed = False
            for op in list(left):
                if any(t.index in made_later for t in op.read):
                    continue
                if kind is None:
                    kind = supported[op.index]
                if supported[op.index] is kind:
                    left.remove(op)
                    members.append(op.index)
                    made_later -= {t.index for t in op.written}
                    changed = True
        groups.append((kind, tuple(sorted(members))))
    return groups


@pytest.mark.parametrize("seed", range(20))
def test_groups_are_those_of_tflite(writer, seed):
    rng = random.Random(seed)
    tensors = [writer.input(), writer.input()]
    for _ in range(40):
        inputs = rng.sample(tensors, k=rng.choice((1, 1, 2)))
        tensors.append(writer.operator("ADD", inputs, None))
    graph = decode(writer.content()).main
    supported = [rng.random() < 0.7 for _ in graph.operators]
    found = partition(graph, supported)
    assert [(g.is_supported, g.operators) for g in found] == sweep(graph, supported)
