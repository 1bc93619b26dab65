"""Checks a file before compiling, and the number of mapped operators afterwards."""

import re
from dataclasses import dataclass
from pathlib import Path

from corallite.convert.tflite.dynamic import is_sized_by_values
from corallite.convert.tflite.model import EIGHT_BIT, Graph, Model, Tensor
from corallite.convert.tflite.precision import WITH_WEIGHTS, find_not_int8
from corallite.convert.tflite.reader import read_model
from corallite.device.model.description.graph import read_graph
from corallite.device.model.identifiers import COMPILED_OPERATORS
from corallite.device.system.errors import RequestError

_SHARE = re.compile(r"0?\.\d+|1\.0*|0\.")


def read_checked_model(path: Path, *, open_batch: bool = False) -> Model:
    """Reads a model whose sizes are fixed and whose layers are int8.

    Operators without weights may have other types, such as those at the start and end
    of many models: they stay on the CPU.

    Args:
        path: A `.tflite` file.
        open_batch: Whether to accept sizes that are not fixed.

    Raises:
        RequestError: It cannot be read, is compiled already, has a size that is not
            fixed, or is not full int8.
    """
    model = read_model(path)
    graph = model.main
    if any(operator.custom_code in COMPILED_OPERATORS for operator in graph.operators):
        raise RequestError(
            f"{path}: is compiled already. Pass the int8 file it was compiled from."
        )
    if not (graph.operators and graph.inputs and graph.outputs):
        raise RequestError(
            f"{path}: has no operators, inputs or outputs. Convert the model again."
        )
    read_graph(model.content, path)
    if not open_batch:
        _check_sizes(path, model.main)
    _check_int8(path, model)
    return model


def _check_sizes(path: Path, graph: Graph) -> None:
    """Refuses open inputs and computed sizes; only the latter stop the compiler."""
    where = ""
    for tensor in graph.inputs:
        if tensor.is_dynamic:
            sizes = ["?" if size < 0 else str(size) for size in _sizes(tensor)]
            where = f"input {tensor.name} ({'x'.join(sizes)})"
    for operator in graph.operators:
        if not where and is_sized_by_values(operator):
            where = f"the output of operator {operator.index} {operator.name}"
    if where:
        raise RequestError(
            f"{path}: the size of {where} is not fixed. Convert with a batch of 1, or "
            "try --open_batch (the compiler uses 1 for open sizes, and fails if shapes "
            "are computed)."
        )


def _sizes(tensor: Tensor) -> tuple[int, ...]:
    return tensor.signature if -1 in tensor.signature else tensor.shape


def _check_int8(path: Path, model: Model) -> None:
    others = [
        found
        for found in find_not_int8(model.main)
        if found.name in WITH_WEIGHTS and found.type not in EIGHT_BIT
    ]
    computed = [t for operator in model.main.operators for t in operator.written]
    if not others and any(tensor.type in EIGHT_BIT for tensor in computed):
        return
    first = others[0] if others else None
    where = f"operator {first.operator} {first.name}: {first.type}" if first else "all"
    raise RequestError(
        f"{path}: is not full int8 ({where}), and the compiler takes int8 only. "
        "Convert the model with: corallite convert."
    )


@dataclass(frozen=True)
class MinMapped:
    """The minimum of operators to map.

    Attributes:
        share: Fraction of all operators, 0 to 1.
        count: Number of operators.
    """

    share: float = 0.0
    count: int = 0

    def is_met(self, mapped: int, total: int) -> bool:
        """Returns whether `mapped` of `total` operators are enough."""
        # Division, because 0.7 * 10 is more than 7.
        return mapped >= self.count and mapped / max(total, 1) >= self.share


def parse_min_mapped(text: str) -> MinMapped:
    """Parses "0.95", a share, or "70", a count.

    Raises:
        RequestError: It is neither, or "1", which could be either.
    """
    if _SHARE.fullmatch(text):
        return MinMapped(share=float(text))
    if text.isascii() and text.isdigit() and text != "1":
        return MinMapped(count=int(text))
    raise RequestError(
        "Expected --min_mapped to be a share with a decimal point, 0.0 to 1.0, or a "
        f"count of operators above 1, got {text!r}."
    )
