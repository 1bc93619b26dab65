"""Compiles a full-int8 .tflite file for the Edge TPU, or for an Arm Ethos-U.

corallite compile model_int8.tflite
corallite compile --run_dir=runs/first
corallite compile --run_dir=runs/first --target=ethos-u55-128

Runs Coral's edgetpu_compiler and copies the labels into the compiled file. If it fails,
bisection finds the operator that it fails at. Without the compiler, the result is
predicted, and stderr explains how to install it.

For an Ethos-U, it runs Arm's Vela, which estimates cycles and memory too:
pip install ethos-u-vela.
"""

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from corallite.convert.cli import vela_flags
from corallite.convert.edgetpu.compile.check import parse_min_mapped
from corallite.convert.edgetpu.compile.compile_file import compile_file, predict_file
from corallite.convert.edgetpu.compile.compiler import Options
from corallite.convert.edgetpu.compile.compiler_program import find_program
from corallite.convert.edgetpu.compile.installation import explain_installation
from corallite.convert.edgetpu.compile.result import Compilation, format_compilation
from corallite.convert.ethos_u import compile_file as npu
from corallite.convert.ethos_u import result as npu_result
from corallite.convert.export import edgetpu, ethos_u
from corallite.device.benchmark.ethosu.vela import ACCELERATORS
from corallite.device.cli import program
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.run import Run

EDGETPU = edgetpu.KIND.name

_MODEL = flags.DEFINE_string(
    "model", None, "A full-int8 .tflite file; --model= may be left out."
)
_RUN_DIR = flags.DEFINE_string(
    "run_dir",
    None,
    "Run folder: compile its int8 file into its edgetpu or exports/ethos_u folder.",
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir",
    None,
    "Folder for NAME_edgetpu.tflite or NAME_vela.tflite; by default that of the model.",
)
_TARGET = flags.DEFINE_enum(
    "target", EDGETPU, (EDGETPU, *ACCELERATORS), "The accelerator to compile for."
)
_COMPILER = flags.DEFINE_string(
    "compiler", None, "The compiler; by default edgetpu_compiler in the PATH."
)
_CONTAINER_IMAGE = flags.DEFINE_string(
    "container_image", None, "Run the compiler in this image, with docker or podman."
)
_TIMEOUT_S = flags.DEFINE_float(
    "timeout_s", Options.timeout_s, "Seconds after which a run is killed.", 1.0, 86400.0
)
_RETRIES = flags.DEFINE_integer(
    "retries",
    Options.retries,
    'How often to retry after an "Internal compiler error".',
    lower_bound=0,
)
_BISECT = flags.DEFINE_boolean(
    "bisect", True, "On failure, find the operator by compiling truncated models."
)
_MIN_MAPPED = flags.DEFINE_string(
    "min_mapped",
    "0.0",
    "Exit with status 1 if fewer operators are mapped: a share such as 1.0 or 0.95, or "
    "a number such as 70.",
)
_MULTIPLE_SUBGRAPHS = flags.DEFINE_boolean(
    "enable_multiple_subgraphs",
    False,
    "Compiler's -a: map every supported subgraph, not only the first.",
)
_SHOW_OPERATIONS = flags.DEFINE_boolean(
    "show_operations", False, "Compiler's -s: list every operator with its status."
)
_SEARCH_DELEGATE = flags.DEFINE_boolean(
    "search_delegate", False, "Compiler's -d: on failure, try with fewer operators."
)
_NUM_SEGMENTS = flags.DEFINE_integer(
    "num_segments", 1, "Compiler's -n: files to split into, one per Edge TPU.", 1, 64
)
_MIN_RUNTIME_VERSION = flags.DEFINE_integer(
    "min_runtime_version",
    None,
    "Compiler's -m: oldest Edge TPU runtime to support, such as 13; by default the "
    "compiler's own.",
    lower_bound=10,
)
_OPEN_BATCH = flags.DEFINE_boolean(
    "open_batch", False, "Compile a model whose batch is not fixed."
)
vela_flags.define()
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Compile a run's file again even if nothing has changed."
)
_JSON = flags.DEFINE_boolean("json", False, "Print everything as JSON.")

_OF_EDGETPU = (
    *("compiler", "container_image", "retries", "bisect", "num_segments"),
    *("enable_multiple_subgraphs", "search_delegate", "min_runtime_version"),
)


def main(argv: Sequence[str]) -> int:
    minimum = parse_min_mapped(_MIN_MAPPED.value)
    is_for_edgetpu = _TARGET.value == EDGETPU
    _refuse_flags(vela_flags.NAMES if is_for_edgetpu else _OF_EDGETPU)
    model = program.take_model(argv, _MODEL.value)
    content, text = _compile_run(model) if _RUN_DIR.value else _compile_model(model)
    print(json.dumps(content) if _JSON.value else text)
    if content.get("is_predicted"):
        message = f"edgetpu_compiler was not found. {explain_installation()}"
        print(f"\n{message}", file=sys.stderr)
    result = content["edgetpu" if is_for_edgetpu else "ethos_u"]
    mapped, total = len(result["mapped"]), content["operators"]
    is_met = minimum.is_met(mapped, total)
    if not is_met:
        limit = f"mapped, below --min_mapped={_MIN_MAPPED.value}"
        print(f"corallite: {mapped} of {total} operators {limit}.", file=sys.stderr)
    is_good = is_met and not result.get("failure")
    return program.EXIT_DONE if is_good else program.EXIT_CHECK_FAILED


def _refuse_flags(names: Sequence[str]) -> None:
    """Raises `RequestError` if a flag of another target is given."""
    for name in names:
        if flags.FLAGS[name].present:
            raise RequestError(
                f"--{name} is not for --target={_TARGET.value}; omit it."
            )


def _compile_model(model: str | None) -> tuple[dict[str, Any], str]:
    """Returns the result for a model, as JSON and as text."""
    if model is None:
        raise RequestError("Expected --model or --run_dir. Pass one of them.")
    path = Path(model)
    output_dir = Path(_OUTPUT_DIR.value) if _OUTPUT_DIR.value else path.parent
    if _TARGET.value == EDGETPU:
        return _format(_compile(path, output_dir))
    made = _compile_by_vela(path)
    compiled = output_dir / made.name
    files.write_bytes(compiled, made.content)
    return _format_npu(made, compiled)


def _compile_run(model: str | None) -> tuple[dict[str, Any], str]:
    """Returns the result for --run_dir, from now or an earlier run."""
    if model or _OUTPUT_DIR.value:
        raise RequestError(
            "--run_dir has its own model and folder. Omit --model and --output_dir."
        )
    run = Run.open(Path(_RUN_DIR.value))
    if _TARGET.value != EDGETPU:
        return _compile_run_by_vela(run)
    options = _read_options()
    path, stage = edgetpu.find_parent(run).require(), run.stage(edgetpu.KIND.name)
    record = edgetpu.read_finished(run, options)
    if record and not _OVERWRITE.value:
        return record, _describe_finished(record, record["edgetpu"])
    with run.lock(stage.kind.verb):
        made = _compile(path, stage.path, stage.reopen)
        if made.compiled:
            edgetpu.finish(run, made, options)
    return _format(made)


def _compile_run_by_vela(run: Run) -> tuple[dict[str, Any], str]:
    path, options = ethos_u.find_parent(run).require(), _read_npu_options()
    record = ethos_u.read_finished(run, options)
    if record and not _OVERWRITE.value:
        return record, _describe_finished(record, record["ethos_u"])
    with run.lock(ethos_u.KIND.verb):
        made = _compile_by_vela(path)
        stage = ethos_u.write(run, made, options)
    return _format_npu(made, stage.model_path)


def _describe_finished(record: dict[str, Any], result: dict[str, Any]) -> str:
    mapped = f"{len(result['mapped'])} of {record['operators']}"
    return f"{record['compiled'][0]}: already compiled; {mapped} mapped"


def _compile(
    path: Path, output_dir: Path, before_writing: Callable[[], None] = lambda: None
) -> Compilation:
    compiler = find_program(_COMPILER.value or "", _CONTAINER_IMAGE.value or "")
    if compiler is None:
        return predict_file(path, _read_options())
    return compile_file(
        path,
        output_dir,
        compiler,
        _read_options(),
        bisect=_BISECT.value,
        before_writing=before_writing,
    )


def _compile_by_vela(path: Path) -> npu.Compiled:
    return npu.compile_file(path, _read_npu_options(), open_batch=_OPEN_BATCH.value)


def _format(made: Compilation) -> tuple[dict[str, Any], str]:
    return made.to_json(), format_compilation(made, details=_SHOW_OPERATIONS.value)


def _format_npu(made: npu.Compiled, compiled: Path) -> tuple[dict[str, Any], str]:
    result = dataclasses.replace(made.result, compiled=(compiled,))
    text = npu_result.format_compilation(result, details=_SHOW_OPERATIONS.value)
    return result.to_json(), text


def _read_npu_options() -> npu.Options:
    return vela_flags.read_options(_TARGET.value, _TIMEOUT_S.value)


def _read_options() -> Options:
    return Options(
        timeout_s=_TIMEOUT_S.value,
        retries=_RETRIES.value,
        multiple_subgraphs=_MULTIPLE_SUBGRAPHS.value,
        show_operations=_SHOW_OPERATIONS.value,
        search_delegate=_SEARCH_DELEGATE.value,
        num_segments=_NUM_SEGMENTS.value,
        min_runtime_version=_MIN_RUNTIME_VERSION.value,
        open_batch=_OPEN_BATCH.value,
    )


if __name__ == "__main__":
    program.run(main)
