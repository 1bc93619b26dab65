"""Compiles a file for the Edge TPU, or predicts the result."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

from corallite.convert.edgetpu.compile import outcome
from corallite.convert.edgetpu.compile.bisection import Breaking, find_breaking
from corallite.convert.edgetpu.compile.check import read_checked_model
from corallite.convert.edgetpu.compile.compiler import (
    Attempt,
    Compile,
    Options,
    compile_content,
)
from corallite.convert.edgetpu.compile.compiler_program import Program
from corallite.convert.edgetpu.compile.packed import read_named, read_packed
from corallite.convert.edgetpu.compile.result import (
    FROM_COMPILER,
    FROM_FILE,
    FROM_LOG,
    PREDICTED,
    Compilation,
)
from corallite.convert.edgetpu.predict.compilers import COMPILERS, DEFAULT_COMPILER
from corallite.convert.edgetpu.predict.prediction import Prediction, predict
from corallite.convert.tflite.model import Model
from corallite.convert.tflite.reader import decode
from corallite.device.model.archive import append_archive
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.system import files
from corallite.device.system.storage import atomic


def predict_file(path: Path, options: Options) -> Compilation:
    """Predicts the result of `compile_file` with the latest compiler.

    Raises:
        RequestError: As `compile_file`.
    """
    model = read_checked_model(path, open_batch=options.open_batch)
    prediction = predict(
        model,
        multiple_subgraphs=options.multiple_subgraphs,
        min_runtime_version=options.min_runtime_version,
    )
    return Compilation(path, model, prediction, PREDICTED)


def compile_file(
    path: Path,
    output_dir: Path,
    program: Program,
    options: Options | None = None,
    *,
    bisect: bool = True,
    before_writing: Callable[[], None] = lambda: None,
) -> Compilation:
    """Compiles `path` and copies its manifest into the compiled file.

    On success, `output_dir` has `NAME_edgetpu.tflite` (or a file per segment), its log
    and the compiler's output. On failure, nothing is written.

    Args:
        path: A full-int8 `.tflite` file.
        output_dir: Created if it does not exist.
        program: The compiler.
        options: How to run it.
        bisect: On failure, find the operator by compiling truncated models.
        before_writing: Called when the compiler has succeeded.

    Raises:
        RequestError: The file is not a full-int8 model of fixed sizes, the archive
            behind it is damaged, or the compiler cannot be started.
        OSError: `output_dir` cannot be written.
    """
    options = options or Options()
    model = read_checked_model(path, open_batch=options.open_batch)
    manifest, packed = read_manifest(path), read_packed(path, model)
    model = read_named(path, model)
    with _scratch(output_dir) as scratch:
        version = program.ask_version(scratch)
        compile_it = functools.partial(
            compile_content,
            program=program,
            name=path.stem,
            version=version,
            scratch=scratch,
        )
        attempt = compile_it(bytes(model.content), options=options)
        if attempt.failure:
            plain = dataclasses.replace(options, search_delegate=False)
            compile_one = functools.partial(compile_it, options=plain)
            # A failure in segments may not occur in one piece.
            can_bisect = bisect and options.num_segments == 1
            found = _find_breaking(model, attempt, compile_one) if can_bisect else None
            return _describe_failure(path, model, attempt, found, version)
        written = {
            name: _pack_again(content, packed, manifest)
            for name, content in attempt.content.items()
        }
        before_writing()
        compiled = _write(written, attempt, output_dir, path.stem)
    return _describe_success(path, model, attempt, compiled, version, options)


def _pack_again(
    content: bytes, packed: dict[str, bytes], manifest: Manifest | None
) -> bytes:
    """Appends the archive and the manifest, which the compiler drops."""
    if packed:
        content = append_archive(content, packed)
    if manifest is None:
        return content
    # Not at the top: it loads NumPy and the schema, which a prediction does not need.
    from corallite.device.model.write import attach_manifest

    return attach_manifest(content, manifest)


def _describe_success(
    path: Path,
    model: Model,
    attempt: Attempt,
    compiled: tuple[Path, ...],
    version: str,
    options: Options,
) -> Compilation:
    expected = predict(
        model,
        compiler=_find_release(version),
        multiple_subgraphs=options.multiple_subgraphs,
        min_runtime_version=options.min_runtime_version,
    )
    expected = dataclasses.replace(expected, compiler=version)
    graphs = [decode(content).main for content in attempt.content.values()]
    found, from_file = outcome.combine(model.main, graphs, attempt.rows, expected)
    return Compilation(
        path,
        model,
        found,
        FROM_FILE if from_file else FROM_LOG,
        compiled=compiled,
        text=dataclasses.replace(attempt.text, rows=attempt.rows),
        parameters=outcome.locate_parameters(attempt.content.values(), attempt.text),
        runs=attempt.runs,
        duration_s=attempt.duration_s,
        warnings=outcome.find_contradictions(found, attempt.rows, attempt.text),
    )


def _describe_failure(
    path: Path, model: Model, attempt: Attempt, breaking: Breaking | None, version: str
) -> Compilation:
    release = _find_release(version)
    operator = breaking.operator if breaking else None
    suggestion = outcome.suggest_for_failure(
        model, operator, attempt.suggestion, release
    )
    indices = [operator.index for operator in model.main.operators]
    found = Prediction(
        mapped=(),
        status=dict.fromkeys(indices, attempt.failure),
        subgraphs=0,
        first_cut=operator,
        suggestion=suggestion,
        failure=attempt.failure,
        compiler=version,
    )
    return Compilation(
        path,
        model,
        found,
        FROM_COMPILER,
        text=attempt.text,
        breaking=breaking,
        parameters=dict.fromkeys(outcome.PARAMETER_NAMES),
        runs=attempt.runs,
        duration_s=attempt.duration_s,
    )


def _find_breaking(
    model: Model, attempt: Attempt, compile_one: Compile
) -> Breaking | None:
    if attempt.cause and not attempt.cause.is_local:
        return None
    content, count = bytes(model.content), len(model.main.operators)
    return find_breaking(content, count, attempt.failure, compile_one)


def _write(
    written: dict[str, bytes], attempt: Attempt, output_dir: Path, name: str
) -> tuple[Path, ...]:
    """Writes the compiled files last, so that a compiled file always has its logs."""
    for log, text in attempt.logs.items():
        files.write_text(output_dir / log, text)
    files.write_text(output_dir / f"{name}_edgetpu.stdout.log", attempt.stdout)
    for compiled, content in written.items():
        files.write_bytes(output_dir / compiled, content)
    return tuple(output_dir / compiled for compiled in written)


@contextlib.contextmanager
def _scratch(output_dir: Path) -> Iterator[Path]:
    """Yields a temporary folder; afterwards removes a new `output_dir` if it is empty.

    It is in `output_dir`, so that missing write access shows immediately.
    """
    is_new = not output_dir.exists()
    output_dir.mkdir(parents=True, exist_ok=True)
    try:
        with atomic.scratch_folder(output_dir / "compile") as folder:
            yield folder
    finally:
        if is_new:
            with contextlib.suppress(OSError):
                output_dir.rmdir()


def _find_release(version: str) -> str:
    """Returns the key in `compilers.COMPILERS` for a version."""
    release = ".".join(version.split(".")[:2])
    return release if release in COMPILERS else DEFAULT_COMPILER
