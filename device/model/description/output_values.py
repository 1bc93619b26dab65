"""Finds what the numbers of a model's output mean, by its last operator."""

from pathlib import Path

from corallite.device.model.description import graph as g
from corallite.device.model.manifest import (
    LOGITS,
    MULTILABEL,
    MULTILABEL_LOGITS,
    PROBABILITIES,
)
from corallite.device.system.errors import RequestError

_PASSING = (g.CAST, g.DEQUANTIZE, g.EXPAND_DIMS, g.QUANTIZE, g.RESHAPE, g.SQUEEZE)
_MOST_STEPS = 8
_SOFTMAX, _SIGMOID, _NOTHING = "its softmax", "its sigmoid", "its end without either"
_UNKNOWN = "its last operator, which is unknown"
_SHARES = "its quantization"


def find_values(
    graph: g.FileGraph, wanted: str | None, path: str | Path
) -> tuple[str, str]:
    """Returns what the numbers of the only output are, and where it is known from.

    Args:
        graph: The model.
        wanted: What the user says they are: "probabilities", "logits" or "multilabel";
            None: what the file says.
        path: Its file, for errors.

    Returns:
        The first is `PROBABILITIES` and so on; "" if the last operator is unknown.

    Raises:
        RequestError: One number is behind a softmax.
        DamagedError: The file is not intact.
    """
    (spec,) = graph.signature.outputs
    end = _find_end(graph)
    if wanted == MULTILABEL and end == _NOTHING:
        return MULTILABEL_LOGITS, "--output"
    if wanted is not None:
        return wanted, "--output"
    is_single = max(spec.shape) == 1
    if is_single and end == _SOFTMAX:
        raise RequestError(
            f"{path}: has one output behind a softmax, which is always 1; train it "
            "with a sigmoid, or with two outputs."
        )
    if end == _SIGMOID:
        return (PROBABILITIES if is_single else MULTILABEL), end
    known = {_NOTHING: LOGITS, _UNKNOWN: ""}
    return known.get(end, PROBABILITIES), end


def _find_end(graph: g.FileGraph) -> str:
    """Returns what turns the output into probabilities."""
    step = _find_last(graph, graph.outputs[0])
    if step is not None and step.code in (g.SOFTMAX, g.LOGISTIC):
        return _SOFTMAX if step.code == g.SOFTMAX else _SIGMOID
    if step is not None and step.code == g.DIV:
        # Some exporters write a softmax as exp(x) / sum(exp(x)).
        numerator = graph.writer_of(step.inputs[0])
        if numerator is not None and numerator.code == g.EXP:
            return _SOFTMAX
    held = graph.signature.outputs[0].holds
    if held is not None and held[0] == 0 and 0.99 <= held[1] <= 1:
        return _SHARES
    return _UNKNOWN if step is None or step.code == g.CUSTOM else _NOTHING


def _find_last(graph: g.FileGraph, tensor: int) -> g.Step | None:
    """Returns the last operator that computes; not one that changes shape or type."""
    step = graph.writer_of(tensor)
    for _ in range(_MOST_STEPS):
        if step is None or step.code not in _PASSING or not step.inputs:
            break
        step = graph.writer_of(step.inputs[0])
    return step
