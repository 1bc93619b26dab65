"""Groups operators as TFLite does when it hands parts of a graph to a delegate."""

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from corallite.convert.tflite.model import Graph


@dataclass(frozen=True)
class Subset:
    """Operators that run in one go.

    Attributes:
        is_supported: Whether the delegate takes them.
        operators: Their numbers, ascending.
    """

    is_supported: bool
    operators: tuple[int, ...]


def partition(graph: Graph, supported: Sequence[bool]) -> list[Subset]:
    """Groups the operators of `graph`, in the order in which the groups run.

    A group has the kind of the first operator that is ready, and takes in every
    operator of that kind that is ready or becomes so meanwhile. This is what
    `PartitionGraphIntoIndependentNodeSubsets` of TFLite arrives at by sweeping over
    the operators again and again; with two heaps it takes n log n.

    Args:
        graph: The operators and what they read.
        supported: Whether the delegate takes the operator, by its number.

    Returns:
        The groups; every operator is in one, as all read only what was written before.
    """
    waiting, readers = _count_inputs(graph)
    ready: dict[bool, list[int]] = {True: [], False: []}
    for index, count in enumerate(waiting):
        if count == 0:
            ready[supported[index]].append(index)
    subsets = []
    while any(ready.values()):
        kind = min((heap[0], kind) for kind, heap in ready.items() if heap)[1]
        members = []
        while ready[kind]:
            index = heapq.heappop(ready[kind])
            members.append(index)
            for reader in readers[index]:
                waiting[reader] -= 1
                if waiting[reader] == 0:
                    heapq.heappush(ready[supported[reader]], reader)
        subsets.append(Subset(kind, tuple(sorted(members))))
    return subsets


def _count_inputs(graph: Graph) -> tuple[list[int], dict[int, list[int]]]:
    """Returns how many operators each waits for, and which wait for it."""
    maker: dict[int, int] = {}
    waiting: list[int] = []
    readers: dict[int, list[int]] = defaultdict(list)
    for operator in graph.operators:
        makers = {maker[t.index] for t in operator.read if t.index in maker}
        for tensor in operator.written:
            maker.setdefault(tensor.index, operator.index)
        waiting.append(len(makers))
        for index in makers:
            readers[index].append(operator.index)
    return waiting, readers
