"""Finds the operator that splits a graph for the Edge TPU, and what to change."""

from collections.abc import Iterable, Iterator, Sequence

from corallite.convert.edgetpu.predict import suggestions
from corallite.convert.edgetpu.predict.compilers import RANK
from corallite.convert.edgetpu.predict.partition import Subset
from corallite.convert.edgetpu.predict.placement import Refusal
from corallite.convert.tflite.model import Graph, Operator

_SHUFFLE = ("RESHAPE", "TRANSPOSE", "RESHAPE")


def find_cut(graph: Graph, subsets: Sequence[Subset]) -> int | None:
    """Returns the first operator that keeps others from the Edge TPU.

    If there is none, it is the first unsupported operator after the mapped ones. An
    unsupported operator before them, such as the quantization of a float input, does
    not split the graph.
    """
    kinds = [subset.is_supported for subset in subsets]
    later = subsets[kinds.index(True) + 1 :] if True in kinds else subsets
    refused, stranded = (
        [i for subset in later if subset.is_supported is kind for i in subset.operators]
        for kind in (False, True)
    )
    leading = _find_ancestors(graph, stranded)
    cutting = [index for index in refused if index in leading] or refused
    return min(cutting, default=None)


def suggest(graph: Graph, index: int, refusal: Refusal) -> str:
    """Returns what to change about an operator, considering adjacent operators."""
    names = tuple(op.name for op in _follow(graph, graph.operators[index]))
    if names[:3] == _SHUFFLE or names[:2] == _SHUFFLE[1:]:
        return suggestions.SHUFFLE
    batched = any(len(t.shape) > 3 and t.shape[0] > 1 for t in graph.inputs)
    return (
        suggestions.BATCH if batched and refusal.status == RANK else refusal.suggestion
    )


def _find_ancestors(graph: Graph, indices: Iterable[int]) -> set[int]:
    """Returns the operators that those with `indices` depend on."""
    maker = {t.index: op.index for op in graph.operators for t in op.written}
    found: set[int] = set()
    waiting = list(indices)
    while waiting:
        read = graph.operators[waiting.pop()].read
        makers = {maker[t.index] for t in read if t.index in maker} - found
        found |= makers
        waiting.extend(makers)
    return found


def _follow(graph: Graph, operator: Operator) -> Iterator[Operator]:
    """Yields an operator, then repeatedly the first reader of its first output."""
    following: Operator | None = operator
    for _ in _SHUFFLE:
        if following is None:
            return
        yield following
        output = following.output()
        readers = (op for op in graph.operators if output and output in op.read)
        following = next(readers, None)
