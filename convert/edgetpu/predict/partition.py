"""Groups operators as TFLite does when it assigns subgraphs to a delegate."""

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from corallite.convert.tflite.model import Graph


@dataclass(frozen=True)
class Subset:
    """Operators that run together.

    Attributes:
        is_supported: Whether the delegate supports them.
        operators: Their numbers, ascending.
    """

    is_supported: bool
    operators: tuple[int, ...]


def partition(graph: Graph, supported: Sequence[bool]) -> list[Subset]:
    """Groups the operators of `graph`, in the order in which the groups run.

    The first ready operator decides whether a group is of supported operators or not.
    The group gets every operator of that kind that is ready or becomes ready. The
    result is that of TFLite's `PartitionGraphIntoIndependentNodeSubsets`, which sweeps
    over the operators repeatedly; two heaps make it O(n log n).

    Args:
        graph: The operators and what they read.
        supported: Whether the delegate supports the operator, by its number.

    Returns:
        The groups; every operator is in one, as operators read only what earlier ones
        write.
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
    """Returns how many operators each one waits for, and which ones wait for it."""
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
