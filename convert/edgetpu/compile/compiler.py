"""Runs the Edge TPU compiler on a model, and collects its files or its error."""

import dataclasses
import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absl import logging

from corallite.convert.edgetpu.compile.compiler_program import Program
from corallite.convert.edgetpu.compile.log_parser import (
    TIMEOUT_SUGGESTION,
    UNKNOWN_SUGGESTION,
    Cause,
    CompilerText,
    Row,
    find_cause,
    parse_text,
)
from corallite.convert.tflite.reader import decode
from corallite.device.model.flatbuffer import DamagedError

# Compiler 16 is the first with its own timeout, by default 180 s.
_FIRST_WITH_TIMER = 16
# With less free space, the full disk is the cause of a failure.
_LEAST_FREE_BYTES = 1 << 20


@dataclass(frozen=True)
class Options:
    """How the compiler is run.

    Attributes:
        timeout_s: A run is killed after this time.
        retries: How often to retry after an "Internal compiler error".
        multiple_subgraphs: Map every supported subgraph, not only the first (-a).
        show_operations: Also print the table of operators (-s).
        search_delegate: On failure, try with fewer operators (-d).
        num_segments: Files to split the model into, one per Edge TPU (-n).
        min_runtime_version: Oldest Edge TPU runtime to support (-m); None for the
            compiler's default.
        open_batch: Accept sizes that are not fixed.
    """

    timeout_s: float = 300.0
    retries: int = 2
    multiple_subgraphs: bool = False
    show_operations: bool = False
    search_delegate: bool = False
    num_segments: int = 1
    min_runtime_version: int | None = None
    open_batch: bool = False

    def arguments(self, version: str) -> list[str]:
        """Returns the flags for a compiler of that version."""
        flags = {
            "-a": self.multiple_subgraphs,
            "-s": self.show_operations,
            "-d": self.search_delegate,
        }
        arguments = [flag for flag, is_on in flags.items() if is_on]
        if self.num_segments > 1:
            arguments.append(f"--num_segments={self.num_segments}")
        if self.min_runtime_version is not None:
            arguments.append(f"--min_runtime_version={self.min_runtime_version}")
        major = version.partition(".")[0]
        if major.isdigit() and int(major) >= _FIRST_WITH_TIMER:
            arguments.append(f"--timeout_sec={int(self.timeout_s) + 1}")
        return arguments


@dataclass(frozen=True)
class Attempt:
    """The result of compiling a model.

    Attributes:
        content: Content of each compiled file by name; empty on failure.
        logs: Text of each log by name.
        stdout: The compiler's output.
        text: The parsed output.
        rows: The table of operators, of all segments.
        failure: Why it failed, in one line; "" on success.
        cause: The known cause of the failure.
        suggestion: What to do about it.
        runs: How often the compiler was run.
        duration_s: Time of the last run.
    """

    content: dict[str, bytes]
    logs: dict[str, str]
    stdout: str
    text: CompilerText
    rows: tuple[Row, ...]
    failure: str = ""
    cause: Cause | None = None
    suggestion: str = ""
    runs: int = 1
    duration_s: float = 0.0


# Compiles the content of a file.
Compile = Callable[[bytes], Attempt]


def compile_content(
    content: bytes,
    *,
    program: Program,
    options: Options,
    name: str,
    version: str,
    scratch: Path,
) -> Attempt:
    """Compiles a model, with retries after an "Internal compiler error".

    Args:
        content: Content of a `.tflite` file.
        program: The compiler.
        options: How to run it.
        name: Name of the model, without suffix; the compiled file is named after it.
        version: Version of the compiler.
        scratch: A temporary folder to work in.

    Raises:
        RequestError: The compiler cannot be started.
        OSError: The disk is full or cannot be written.
    """
    for run in range(1, options.retries + 2):
        attempt = _run_once(content, program, options, name, version, scratch)
        attempt = dataclasses.replace(attempt, runs=run)
        is_retried = attempt.cause is not None and attempt.cause.is_retried
        if not is_retried or run > options.retries:
            break
        logging.info("%s Retry %d of %d.", attempt.failure, run, options.retries)
    return attempt


def _run_once(
    content: bytes,
    program: Program,
    options: Options,
    name: str,
    version: str,
    scratch: Path,
) -> Attempt:
    folder = scratch / "run"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "out").mkdir(parents=True)
    (folder / f"{name}.tflite").write_bytes(content)
    # With "./", a name that begins with a dash is not a flag.
    files = ["--out_dir=out", f"./{name}.tflite"]
    arguments = [*options.arguments(version), *files]
    ended = program.run(arguments, folder, options.timeout_s)
    out = folder / "out"
    # Segment 10 after segment 9.
    written = sorted(out.glob("*_edgetpu.tflite"), key=lambda p: (len(p.name), p.name))
    compiled = {path.name: path.read_bytes() for path in written}
    logs = {
        path.name: path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(out.glob("*_edgetpu.log"))
    }
    if ended.status == 0 and compiled:
        texts = parse_text(ended.text)
        rows = [row for log in logs.values() for row in parse_text(log)[-1].rows]
        printed = [row for text in texts for row in text.rows]
        table = tuple(rows or printed)
        summary = _add_up(texts)
        attempt = Attempt(
            compiled, logs, ended.text, summary, table, duration_s=ended.duration_s
        )
        return _refuse_damaged(attempt)
    _require_room(scratch)
    return _describe_failure(ended.status, ended.text, options, ended.duration_s)


def _refuse_damaged(attempt: Attempt) -> Attempt:
    """Returns a failure if a compiled file cannot be read."""
    for name, content in attempt.content.items():
        try:
            decode(content)
        except DamagedError as error:
            failure = f"{name} is damaged ({error})"
            return dataclasses.replace(
                attempt, content={}, failure=failure, suggestion=UNKNOWN_SUGGESTION
            )
    return attempt


def _describe_failure(
    status: int | None, printed: str, options: Options, duration_s: float
) -> Attempt:
    cause, text = find_cause(printed), parse_text(printed)[-1]
    reason = text.unknown[-1] if text.unknown else "it printed no reason"
    suggestion = cause.suggestion if cause else UNKNOWN_SUGGESTION
    if status is None:
        cause, suggestion = None, TIMEOUT_SUGGESTION
        failure = f"killed after {options.timeout_s:g} s"
    elif cause:
        failure = cause.find(printed)
    elif status < 0:
        failure = f"ended by signal {-status}; {reason}"
    else:
        failure = f"exit status {status} and no compiled file; {reason}"
    return Attempt(
        content={},
        logs={},
        stdout=printed,
        text=text,
        rows=(),
        failure=failure,
        cause=cause,
        suggestion=suggestion,
        duration_s=duration_s,
    )


def _add_up(texts: list[CompilerText]) -> CompilerText:
    """Sums up the output for all segments."""
    sums = (
        "output_bytes",
        "on_chip_used_bytes",
        "on_chip_remaining_bytes",
        "streamed_bytes",
        "subgraphs",
        "operations",
        "on_edgetpu",
        "on_cpu",
    )
    if any(text.on_cpu is not None for text in texts):
        # The compiler prints no counts for a segment that is completely mapped.
        texts = [_fill_counts(text) for text in texts]
    known = {name: [getattr(text, name) for text in texts] for name in sums}
    added: dict[str, Any] = {
        name: None if None in values else sum(values) for name, values in known.items()
    }
    unknown = tuple(line for text in texts for line in text.unknown)
    return dataclasses.replace(texts[0], **added, unknown=unknown)


def _fill_counts(text: CompilerText) -> CompilerText:
    if text.on_cpu is not None or text.on_edgetpu is not None:
        return text
    return dataclasses.replace(text, on_edgetpu=text.operations, on_cpu=0)


def _require_room(folder: Path) -> None:
    """Raises if the disk is full: the compiler's message does not say so."""
    if shutil.disk_usage(folder).free < _LEAST_FREE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder.parent))
