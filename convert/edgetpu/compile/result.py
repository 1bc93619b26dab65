"""The result of compiling a file for the Edge TPU, as JSON and as text."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corallite.convert.edgetpu.compile.bisection import Breaking
from corallite.convert.edgetpu.compile.log_parser import CompilerText
from corallite.convert.edgetpu.predict.prediction import Prediction
from corallite.convert.edgetpu.predict.prediction_text import (
    format_mapping,
    format_memory,
)
from corallite.convert.tflite.model import Model
from corallite.convert.tflite.text_lines import describe, format_entries

_MIB = 1 << 20
_MOST_UNKNOWN = 8

# The source of `Compilation.edgetpu`.
FROM_FILE = "the compiled file"
FROM_LOG = "the compiler's log, aligned with the prediction"
FROM_COMPILER = "the compiler, which failed"
PREDICTED = "predicted, the compiler was not run"


@dataclass(frozen=True)
class Compilation:
    """The result of a compilation, or its prediction.

    Attributes:
        path: The model.
        model: Its structure.
        edgetpu: The mapping of its operators, in the form of a prediction.
        basis: Its source: one of FROM_FILE, FROM_LOG, FROM_COMPILER, PREDICTED.
        compiled: The files that were written, one per segment.
        text: The parsed output of the compiler; None if it was not run.
        breaking: Where it failed, if bisection has found that.
        parameters: Values by key of `Prediction.to_json`, from the compiler and its
            file; None if these do not have them.
        runs: How often the compiler was run on the whole model.
        duration_s: Time of the last of these runs.
        warnings: Contradictions between the sources, a sentence each.
    """

    path: Path
    model: Model
    edgetpu: Prediction
    basis: str
    compiled: tuple[Path, ...] = ()
    text: CompilerText | None = None
    breaking: Breaking | None = None
    parameters: dict[str, Any] = dataclasses.field(default_factory=dict)
    runs: int = 0
    duration_s: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def is_predicted(self) -> bool:
        """Whether the compiler was not run."""
        return self.text is None

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON; "edgetpu" has the keys of an audit."""
        return {
            "file": str(self.path),
            "compiled": [str(path) for path in self.compiled],
            "is_predicted": self.is_predicted,
            "basis": self.basis,
            "operators": len(self.model.main.operators),
            "edgetpu": {**self.edgetpu.to_json(), **self.parameters},
            "breaking": self.breaking and vars(self.breaking),
            "compiler_text": self.text and self.text.to_json(),
            "runs": self.runs,
            "duration_s": round(self.duration_s, 3),
            "warnings": list(self.warnings),
        }


def format_compilation(made: Compilation, *, details: bool = False) -> str:
    """Returns the result as text of 80 columns.

    Args:
        made: The result to format.
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
    title = f"result of compiler {made.edgetpu.compiler or 'of unknown version'}:"
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
    runs = f", {made.runs} runs" if made.runs > 1 else ""
    yield "took", f"{made.duration_s:.1f} s{runs}; mapping from {made.basis}"
    for warning in made.warnings:
        yield "warning", warning


def _describe_memory(made: Compilation) -> Iterator[tuple[str, str]]:
    text = made.text
    if text is None:
        return
    sizes = (
        (text.on_chip_used_bytes, "used for parameters"),
        (text.on_chip_remaining_bytes, "left"),
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
    runs = f" ({made.runs} runs)" if made.runs > 1 else ""
    version = made.edgetpu.compiler or "of unknown version"
    yield "not compiled", f"by compiler {version}{runs}: {made.edgetpu.failure}"
    if breaking:
        count = len(operators)
        yield "compiles", f"the first {breaking.prefix} of {count} operators"
        yield "breaks at", describe(operators[breaking.operator])
        yield "", breaking.failure
    yield "suggestion", made.edgetpu.suggestion or "-"


def _list(made: Compilation, details: bool) -> list[str]:
    """Returns a line per operator if `details` is set."""
    status = made.edgetpu.status if details else {}
    operators = made.model.main.operators
    return format_entries(
        ("" if number else "operators", f"{describe(operators[index])}: {text}")
        for number, (index, text) in enumerate(sorted(status.items()))
    )


def _unknown(made: Compilation) -> list[str]:
    """Returns the last lines of the compiler's output that were not recognized."""
    printed = made.text.unknown if made.text else ()
    lines = [line for line in printed if line != made.edgetpu.failure]
    more = len(lines) - _MOST_UNKNOWN
    shown = [f"(and {more} lines before)"] * (more > 0) + lines[-_MOST_UNKNOWN:]
    return format_entries(
        ("" if number else "also printed", line) for number, line in enumerate(shown)
    )
