"""What becomes of a model on the Edge TPU, as text that fits into 80 columns."""

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
    """Returns lines about what is mapped, and what is in the way.

    Args:
        found: What is expected, or what was found.
        operators: Of the model.
        title: Of what follows.
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
        lines += format_entry("first cut", describe(operators[found.first_cut]))
    if found.suggestion:
        lines += format_entry("suggestion", found.suggestion)
    return lines


def format_memory(found: Prediction) -> list[str]:
    """Returns lines about where the parameters are."""
    parameters = found.parameters
    low, high = memory.CAPACITY_RANGE_BYTES
    is_large = found.activation_bytes_per_tile > memory.MOST_ACTIVATION_BYTES
    verdict = "they fit" if parameters.fit else "they do not all fit"
    if parameters.fit and (is_large or parameters.reserved > memory.SURE_BYTES):
        verdict = "they may just fit"
    streamed = (
        f", {parameters.streamed:,} streamed for every image"
        if parameters.streamed
        else ""
    )
    lines = format_entry(
        "on the chip",
        f"{parameters.on_chip:,} bytes of parameters{streamed}: {verdict} "
        f"({_mib(parameters.reserved)} of {_mib(low)} to {_mib(high)} MiB set aside)",
    )
    if is_large:
        lines += format_entry(
            "",
            "large activations: the compiler has to split planes, has less room for "
            "parameters, and may fail; use a smaller input if it does",
        )
    return lines


def _mapped_last(item: tuple[tuple[str, str], int]) -> tuple[bool, str]:
    (name, status), _ = item
    return status == MAPPED, name


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.2f}"
