"""Tells which operators of a model the Edge TPU compiler has mapped."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from corallite.convert.edgetpu.predict.compilers import MAPPED
from corallite.convert.tflite.model import Graph, Operator
from corallite.device.model.identifiers import EDGETPU_OPERATOR

# Of an operator that the log leaves out.
NOT_LOGGED = "Not in the compiler's log"


def find_mapped(graph: Graph, compiled: Iterable[Graph]) -> set[int] | None:
    """Returns the operators of `graph` that a compiled file no longer has.

    What stays on the CPU keeps the names of what it writes.

    Args:
        graph: Of the model.
        compiled: Of the compiled file, or of its segments.

    Returns:
        None if names do not tell: one that is left is not in the model, or has the
        names of another that is not left.
    """
    places: dict[tuple, list[int]] = defaultdict(list)
    for operator in graph.operators:
        places[_identify(operator)].append(operator.index)
    left = Counter(
        _identify(operator)
        for part in compiled
        for operator in part.operators
        if operator.custom_code != EDGETPU_OPERATOR
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
    """Gives each operator a status of the log, which has only how many have which.

    An operator gets what is predicted for it, as long as the log has it; the others
    get what is left, in order.

    Args:
        graph: Of the model.
        counts: How often the log has each (operator, status).
        predicted: The status of each operator.
        mapped: Those that are mapped, if it is known.
    """
    left = Counter(counts)
    statuses: dict[int, str] = {}
    for operator in graph.operators:
        wish = predicted.get(operator.index, "")
        if left[operator.name, wish] > 0 and _agrees(operator, wish, mapped):
            left[operator.name, wish] -= 1
            statuses[operator.index] = wish
    for operator in graph.operators:
        if operator.index not in statuses:
            status = _take_any(operator, left, mapped)
            statuses[operator.index] = status
    return dict(sorted(statuses.items()))


def _take_any(
    operator: Operator, left: Counter[tuple[str, str]], mapped: set[int] | None
) -> str:
    """Takes one of what is left in the log for operators of this type."""
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
