"""Finds which operators of a model the Edge TPU compiler has mapped."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from corallite.convert.edgetpu.predict.compilers import MAPPED
from corallite.convert.tflite.model import Graph, Operator
from corallite.device.model.identifiers import COMPILED_OPERATORS

# The status of an operator that the log omits.
NOT_LOGGED = "Not in the compiler's log"


def find_mapped(graph: Graph, compiled: Iterable[Graph]) -> set[int] | None:
    """Returns the operators of `graph` that a compiled file no longer has: the mapped.

    Operators that stay on the CPU keep the names of their outputs.

    Args:
        graph: Graph of the model.
        compiled: Graphs of the compiled file, or of its segments.

    Returns:
        None if the names are ambiguous: a remaining operator is not in the model, or
        has the same output names as one that does not remain.
    """
    places: dict[tuple, list[int]] = defaultdict(list)
    for operator in graph.operators:
        places[_identify(operator)].append(operator.index)
    left = Counter(
        _identify(operator)
        for piece in compiled
        for operator in piece.operators
        if operator.custom_code not in COMPILED_OPERATORS
    )
    if any(len(places.get(key, ())) != count for key, count in left.items()):
        return None
    on_cpu = {index for key in left for index in places[key]}
    return {operator.index for operator in graph.operators} - on_cpu


def assign_statuses(
    graph: Graph,
    counts: Mapping[tuple[str, str], int],
    predicted: Mapping[int, str],
    mapped: set[int] | None,
) -> dict[int, str]:
    """Assigns a status of the log to each operator; the log has only their counts.

    An operator gets its predicted status if the log has enough of that status; the
    others get the remaining ones, in order.

    Args:
        graph: Graph of the model.
        counts: How often the log has each (operator, status).
        predicted: The status of each operator.
        mapped: The operators that are mapped, if known.
    """
    left = Counter(counts)
    statuses: dict[int, str] = {}
    for operator in graph.operators:
        expected = predicted.get(operator.index, "")
        if left[operator.name, expected] > 0 and _agrees(operator, expected, mapped):
            left[operator.name, expected] -= 1
            statuses[operator.index] = expected
    for operator in graph.operators:
        if operator.index not in statuses:
            statuses[operator.index] = _take_any(operator, left, mapped)
    return dict(sorted(statuses.items()))


def _take_any(
    operator: Operator, left: Counter[tuple[str, str]], mapped: set[int] | None
) -> str:
    """Takes one of the remaining statuses of this operator type."""
    for (name, status), count in left.items():
        if name == operator.name and count and _agrees(operator, status, mapped):
            left[name, status] -= 1
            return status
    return MAPPED if mapped and operator.index in mapped else NOT_LOGGED


def _agrees(operator: Operator, status: str, mapped: set[int] | None) -> bool:
    return mapped is None or (status == MAPPED) == (operator.index in mapped)


def _identify(operator: Operator) -> tuple:
    names = tuple(tensor.name for tensor in operator.written)
    return operator.name, operator.custom_code, names
