"""What came of a compilation, as text that fits into 80 columns."""

from collections.abc import Iterator

from corallite.convert.edgetpu.compile.result import Compilation
from corallite.convert.edgetpu.predict.prediction_text import (
    format_mapping,
    format_memory,
)
from corallite.convert.tflite.text_lines import describe, format_entries

_MIB = 1 << 20
_MOST_UNKNOWN = 8


def format_compilation(made: Compilation, *, details: bool = False) -> str:
    """Returns what a person reads.

    Args:
        made: What to show.
        details: Whether to list every operator with its status.
    """
    operators = made.model.main.operators
    if made.is_predicted:
        lines = format_mapping(made.edgetpu, operators, f"{made.basis}:")
        if made.edgetpu.mapped:
            lines += format_memory(made.edgetpu)
        return "\n".join([*lines, *_list(made, details)])
    if made.edgetpu.failure:
        return "\n".join([*format_entries(_describe_failure(made)), *_unknown(made)])
    title = f"compiler {made.edgetpu.compiler or 'of unknown version'} says:"
    return "\n".join(
        [
            *format_entries(_describe_files(made)),
            *format_mapping(made.edgetpu, operators, title),
            *format_entries(_describe_memory(made)),
            *_list(made, details),
            *_unknown(made),
        ]
    )


def _describe_files(made: Compilation) -> Iterator[tuple[str, str]]:
    yield "model", str(made.path)
    for path in made.compiled:
        yield "compiled", f"{path}, {path.stat().st_size:,} bytes"
    runs = f", after {made.runs} tries" if made.runs > 1 else ""
    yield "took", f"{made.duration_s:.1f} s{runs}; mapped as told by {made.basis}"
    for warning in made.warnings:
        yield "warning", warning


def _describe_memory(made: Compilation) -> Iterator[tuple[str, str]]:
    text = made.text
    if text is None:
        return
    sizes = (
        (text.on_chip_used_bytes, "used for parameters"),
        (text.on_chip_remaining_bytes, "left over"),
        (text.streamed_bytes, "streamed for every image"),
    )
    known = [
        f"{size / _MIB:.2f} MiB {what}" for size, what in sizes if size is not None
    ]
    if known:
        yield "on the chip", ", ".join(known)


def _describe_failure(made: Compilation) -> Iterator[tuple[str, str]]:
    operators, breaking = made.model.main.operators, made.breaking
    yield "model", str(made.path)
    again = f" ({made.runs} tries)" if made.runs > 1 else ""
    version = made.edgetpu.compiler or "of unknown version"
    yield "not compiled", f"by compiler {version}{again}: {made.edgetpu.failure}"
    if breaking:
        count = len(operators)
        yield "compiles", f"the first {breaking.prefix} of {count} operators"
        yield "breaks at", describe(operators[breaking.operator])
        yield "", breaking.failure
    yield "cure", made.edgetpu.cure or "-"


def _list(made: Compilation, details: bool) -> list[str]:
    """Returns a line for each operator, and nothing unless it is asked for."""
    status = made.edgetpu.status if details else {}
    operators = made.model.main.operators
    return format_entries(
        ("" if number else "operators", f"{describe(operators[index])}: {text}")
        for number, (index, text) in enumerate(sorted(status.items()))
    )


def _unknown(made: Compilation) -> list[str]:
    """Returns what the compiler printed and nothing here has a place for."""
    printed = made.text.unknown if made.text else ()
    lines = [line for line in printed if line != made.edgetpu.failure]
    more = len(lines) - _MOST_UNKNOWN
    shown = [f"(and {more} lines before)"] * (more > 0) + lines[-_MOST_UNKNOWN:]
    return format_entries(
        ("" if number else "also printed", line) for number, line in enumerate(shown)
    )
