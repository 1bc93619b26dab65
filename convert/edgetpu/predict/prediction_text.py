"""Formats a mapping to the Edge TPU as text of 80 columns."""

from collections import Counter
from collections.abc import Sequence

from corallite.convert.edgetpu.predict import memory
from corallite.convert.edgetpu.predict.compilers import MAPPED
from corallite.convert.edgetpu.predict.prediction import Prediction
from corallite.convert.tflite.model import Operator
from corallite.convert.tflite.text_lines import describe, format_entry


def format_mapping(
    found: Prediction, operators: Sequence[Operator], title: str
) -> list[str]:
    """Returns lines about the operators that are mapped and those that are not.

    Args:
        found: A prediction, or the compiler's result.
        operators: Of the model.
        title: The first line.
    """
    lines = format_entry("Edge TPU", title)
    if found.failure:
        lines += format_entry("", found.failure)
    counts = Counter((operators[i].name, text) for i, text in found.status.items())
    for (name, status), count in sorted(counts.items(), key=_mapped_last):
        lines += format_entry("", f"{count:>3} {name}: {status}")
    lines += format_entry(
        "mapped", f"{len(found.mapped)} of {len(operators)} operators"
    )
    lines += format_entry("subgraphs", str(found.subgraphs))
    if found.first_cut is not None:
        lines += format_entry("split at", describe(operators[found.first_cut]))
    if found.suggestion:
        lines += format_entry("suggestion", found.suggestion)
    return lines


def format_memory(found: Prediction) -> list[str]:
    """Returns lines about where the parameters are."""
    parameters = found.parameters
    low, high = memory.CAPACITY_RANGE_BYTES
    is_large = found.activation_bytes_per_tile > memory.MOST_ACTIVATION_BYTES
    capacity = "they fit" if parameters.fit else "they do not all fit"
    if parameters.fit and (is_large or parameters.reserved > memory.SURE_BYTES):
        capacity = "they may just fit"
    streamed = (
        f", {parameters.streamed:,} streamed for every image"
        if parameters.streamed
        else ""
    )
    lines = format_entry(
        "on the chip",
        f"{parameters.on_chip:,} bytes of parameters{streamed}: {capacity} "
        f"({_mib(parameters.reserved)} of {_mib(low)} to {_mib(high)} MiB reserved)",
    )
    if is_large:
        lines += format_entry(
            "",
            "large activations: the compiler splits planes, has less room for "
            "parameters, and may fail; if it does, use a smaller input",
        )
    return lines


def _mapped_last(item: tuple[tuple[str, str], int]) -> tuple[bool, str]:
    (name, status), _ = item
    return status == MAPPED, name


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.2f}"
