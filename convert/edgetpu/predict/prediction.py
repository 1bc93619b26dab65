"""Predicts which operators of a model the Edge TPU compiler maps."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from corallite.convert.edgetpu.predict import memory
from corallite.convert.edgetpu.predict.compilers import (
    COMPILERS,
    DEFAULT_COMPILER,
    LATER_SUBGRAPH,
    MAPPED,
)
from corallite.convert.edgetpu.predict.cut import find_cut, suggest
from corallite.convert.edgetpu.predict.failure import Failure, find_failure
from corallite.convert.edgetpu.predict.partition import partition
from corallite.convert.edgetpu.predict.placement import Refusal, judge
from corallite.convert.tflite.model import Graph, Model, Operator
from corallite.device.model.identifiers import EDGETPU_OPERATOR


@dataclass(frozen=True)
class Prediction:
    """The predicted result of the compiler.

    Attributes:
        mapped: Numbers of the operators that run on the Edge TPU.
        status: The status of each operator in the compiler's log, by number.
        subgraphs: How many subgraphs run on the Edge TPU.
        first_cut: The first operator that splits the graph: operators before it run on
            the Edge TPU, it and those after it on the CPU. None if there is none.
        suggestion: What to change about `first_cut`, or about `failure`.
        failure: The compiler's error message; then nothing is mapped.
        parameters: Where the weights are.
        activation_bytes_per_tile: The largest operator's bytes on each of the 16 tiles.
        is_compiled: The model is compiled already.
        compiler: Full version of the compiler.
        multiple_subgraphs: Whether it runs with --enable_multiple_subgraphs.
    """

    mapped: tuple[int, ...]
    status: Mapping[int, str]
    subgraphs: int
    first_cut: int | None = None
    suggestion: str | None = None
    failure: str | None = None
    parameters: memory.Parameters = memory.Parameters()
    activation_bytes_per_tile: int = 0
    is_compiled: bool = False
    compiler: str = ""
    multiple_subgraphs: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON; None is unknown, as in a compiled model."""
        content = dict(vars(self))
        parameters: memory.Parameters = content.pop("parameters")
        suggestion = content.pop("suggestion")
        placed = {
            "parameter_bytes_on_chip": parameters.on_chip,
            "parameter_bytes_streamed": parameters.streamed,
            "parameter_bytes_reserved": parameters.reserved,
            "parameters_fit": parameters.fit,
        }
        return {
            **content,
            "cure": suggestion,
            "status": {str(index): text for index, text in self.status.items()},
            **(dict.fromkeys(placed) if self.is_compiled else placed),
            "parameter_capacity_range_bytes": list(memory.CAPACITY_RANGE_BYTES),
        }


def predict(
    model: Model,
    *,
    compiler: str = DEFAULT_COMPILER,
    multiple_subgraphs: bool = False,
    min_runtime_version: int | None = None,
) -> Prediction:
    """Predicts what the compiler does with the first graph of `model`.

    Args:
        model: Any model, compiled or not.
        compiler: One of `COMPILERS`.
        multiple_subgraphs: Whether it runs with --enable_multiple_subgraphs.
        min_runtime_version: Its flag of that name; None for its default.
    """
    release = COMPILERS[compiler].for_runtime(min_runtime_version)
    graph = model.main
    judged = {op.index: judge(op, model, release) for op in graph.operators}
    refusals = {index: refusal for index, refusal in judged.items() if refusal}
    prediction = _map(graph, refusals, multiple_subgraphs)
    failure = find_failure(model, release, prediction.mapped)
    if any(map(_is_compiled, graph.operators)):
        prediction = _describe_compiled(graph)
    elif failure:
        prediction = _describe_failure(graph, refusals, failure)
    operators = [graph.operators[index] for index in prediction.mapped]
    return replace(
        prediction,
        parameters=memory.place_parameters(operators, release),
        activation_bytes_per_tile=memory.activation_bytes_per_tile(operators),
        compiler=release.name,
        multiple_subgraphs=multiple_subgraphs,
    )


def _is_compiled(operator: Operator) -> bool:
    return operator.custom_code == EDGETPU_OPERATOR


def _describe_compiled(graph: Graph) -> Prediction:
    mapped = tuple(op.index for op in graph.operators if _is_compiled(op))
    status = dict.fromkeys(mapped, MAPPED)
    return Prediction(mapped, status, len(mapped), is_compiled=True)


def _describe_failure(
    graph: Graph, refusals: Mapping[int, Refusal], failure: Failure
) -> Prediction:
    status = {op.index: failure.status for op in graph.operators}
    return Prediction(
        mapped=(),
        status={**status, **_statuses(refusals)},
        subgraphs=0,
        first_cut=failure.operator,
        suggestion=failure.suggestion,
        failure=failure.text,
    )


def _map(
    graph: Graph, refusals: Mapping[int, Refusal], multiple_subgraphs: bool
) -> Prediction:
    supported = [op.index not in refusals for op in graph.operators]
    subsets = partition(graph, supported)
    pieces = [subset.operators for subset in subsets if subset.is_supported]
    if not multiple_subgraphs:
        pieces = pieces[:1]
    mapped = tuple(sorted(index for piece in pieces for index in piece))
    status = {op.index: LATER_SUBGRAPH for op in graph.operators}
    status.update({index: MAPPED for index in mapped})
    cut = find_cut(graph, subsets)
    return Prediction(
        mapped=mapped,
        status={**status, **_statuses(refusals)},
        subgraphs=len(pieces),
        first_cut=cut,
        suggestion=None if cut is None else suggest(graph, cut, refusals[cut]),
    )


def _statuses(refusals: Mapping[int, Refusal]) -> dict[int, str]:
    return {index: refusal.status for index, refusal in refusals.items()}
