"""Combines compiled files, logs and output into the mapping of a model."""

import dataclasses
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from corallite.convert.edgetpu.compile.executable import read_parameters
from corallite.convert.edgetpu.compile.log_parser import CompilerText, Row
from corallite.convert.edgetpu.compile.mapping import assign_statuses, find_mapped
from corallite.convert.edgetpu.predict.compilers import (
    COMPILERS,
    LATER_SUBGRAPH,
    MAPPED,
)
from corallite.convert.edgetpu.predict.cut import find_cut, suggest
from corallite.convert.edgetpu.predict.failure import find_failure
from corallite.convert.edgetpu.predict.partition import partition
from corallite.convert.edgetpu.predict.placement import Refusal, judge
from corallite.convert.edgetpu.predict.prediction import Prediction
from corallite.convert.edgetpu.predict.suggestions import suggestion_for
from corallite.convert.tflite.model import Graph, Model
from corallite.device.model.identifiers import EDGETPU_OPERATOR

# Keys in `Prediction.to_json` that the compiler knows and a prediction estimates.
PARAMETER_NAMES = (
    "parameter_bytes_on_chip",
    "parameter_bytes_streamed",
    "parameter_bytes_reserved",
    "parameters_fit",
    "activation_bytes_per_tile",
)


def combine(
    graph: Graph,
    compiled: Sequence[Graph],
    rows: Sequence[Row],
    expected: Prediction,
) -> tuple[Prediction, bool]:
    """Returns the mapping of each operator, in the form of a prediction.

    Args:
        graph: Graph of the model.
        compiled: Graphs of the compiled file, or of its segments.
        rows: The log's table of operators.
        expected: The prediction, which assigns the statuses of the log to operators of
            the same type.

    Returns:
        The mapping, and whether it is from the compiled files. If not, it is from the
        log, assigned to operators by the prediction.
    """
    mapped = find_mapped(graph, compiled)
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        counts[row.operator, row.status] += row.count
    status = assign_statuses(graph, counts, expected.status, mapped)
    logged = [i for i, text in status.items() if text == MAPPED]
    supported = [text in (MAPPED, LATER_SUBGRAPH) for text in status.values()]
    cut = find_cut(graph, partition(graph, supported))
    found = dataclasses.replace(
        expected,
        mapped=tuple(sorted(logged if mapped is None else mapped)),
        status=status,
        subgraphs=sum(
            operator.custom_code == EDGETPU_OPERATOR
            for piece in compiled
            for operator in piece.operators
        ),
        first_cut=cut,
        suggestion=None if cut is None else _suggest(graph, cut, status[cut], expected),
        failure=None,
    )
    return found, mapped is not None


def locate_parameters(
    contents: Collection[bytes], text: CompilerText
) -> dict[str, Any]:
    """Returns parameter sizes on and off the chip, by key of `Prediction.to_json`.

    Args:
        contents: Contents of the compiled files.
        text: The compiler's output.
    """
    placed = [read_parameters(content) for content in contents]
    known = [found for found in placed if found is not None]
    complete = len(known) == len(placed)
    streamed = text.streamed_bytes
    if streamed is None and complete:
        streamed = sum(found.streamed for found in known)
    values = (
        sum(found.cached for found in known) if complete else None,
        streamed,
        text.on_chip_used_bytes,
        None if streamed is None else streamed == 0,
        None,
    )
    return dict(zip(PARAMETER_NAMES, values, strict=True))


def find_contradictions(
    found: Prediction, rows: Sequence[Row], text: CompilerText
) -> tuple[str, ...]:
    """Returns a sentence for each source with another count of mapped operators."""
    counted = {
        "the log": sum(row.count for row in rows if row.status == MAPPED)
        if rows
        else None,
        "stdout": text.on_edgetpu,
    }
    return tuple(
        f"{len(found.mapped)} operators are mapped, but {source} says {count}."
        for source, count in counted.items()
        if count is not None and count != len(found.mapped)
    )


def suggest_for_failure(
    model: Model, operator: int | None, otherwise: str, release: str
) -> str:
    """Returns what to change so that a model compiles.

    Args:
        model: The model.
        operator: The operator at which it fails; None if unknown.
        otherwise: The general suggestion for the failure.
        release: Release of the compiler, a key of `compilers.COMPILERS`.
    """
    if operator is None:
        return otherwise
    failure = find_failure(model, COMPILERS[release], {operator})
    if failure and failure.operator == operator:
        return failure.suggestion
    graph = model.main
    refusal = judge(graph.operators[operator], model, COMPILERS[release])
    return suggest(graph, operator, refusal) if refusal else otherwise


def _suggest(graph: Graph, index: int, status: str, expected: Prediction) -> str:
    if index == expected.first_cut and expected.suggestion and expected.failure is None:
        return expected.suggestion
    suggestion = suggestion_for(status, graph.operators[index].name)
    return suggest(graph, index, Refusal(status, suggestion))
