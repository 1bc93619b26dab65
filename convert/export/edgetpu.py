"""The Edge TPU stage of a run: its compiled int8 file."""

import dataclasses
import datetime
import hashlib
import importlib.metadata
from pathlib import Path
from typing import Any

from corallite.convert.edgetpu.compile.compiler import Options
from corallite.convert.edgetpu.compile.result import Compilation
from corallite.device.system import files
from corallite.device.system.errors import RequestError

_METRICS = "metrics.json"
_INT8_FILE = "model_int8.tflite"


def find_int8(run_dir: Path) -> Path:
    """Returns the int8 file of a run.

    Raises:
        RequestError: That stage is not finished, or `run_dir` is not a folder.
    """
    files.require_folder(run_dir)
    path = run_dir / "int8" / _INT8_FILE
    if not (path.exists() and (path.parent / _METRICS).exists()):
        raise RequestError(
            f"{run_dir} has no finished int8 stage. Run `corallite convert "
            f"--run_dir={run_dir}` first."
        )
    return path


def stage_dir(run_dir: Path) -> Path:
    """Returns the folder of the stage."""
    return run_dir / "edgetpu"


def read_finished(run_dir: Path, options: Options) -> dict[str, Any] | None:
    """Returns the record of `finish`, if its inputs are unchanged; otherwise None."""
    path = stage_dir(run_dir) / _METRICS
    if not path.exists():
        return None
    record = files.read_json(path)
    if record.get("inputs") != _describe_inputs(find_int8(run_dir), options):
        return None
    # By name only: the run may have been moved since.
    compiled = [path.parent / Path(name).name for name in record.get("compiled", ["-"])]
    if not all(map(Path.exists, compiled)):
        return None
    return {**record, "compiled": list(map(str, compiled))}


def reopen(run_dir: Path) -> None:
    """Marks the stage as not finished, because it is about to be replaced."""
    (stage_dir(run_dir) / _METRICS).unlink(missing_ok=True)


def finish(run_dir: Path, made: Compilation, options: Options) -> None:
    """Records the inputs and the result of the stage."""
    record = {
        "inputs": _describe_inputs(made.path, options),
        **made.to_json(),
        "finished": datetime.datetime.now().astimezone().isoformat("T", "seconds"),
        "versions": {
            "corallite": importlib.metadata.version("corallite"),
            "edgetpu_compiler": made.edgetpu.compiler,
        },
    }
    files.write_json(stage_dir(run_dir) / _METRICS, record)


def _describe_inputs(path: Path, options: Options) -> dict[str, Any]:
    content = path.read_bytes()
    parent = hashlib.sha256(content).hexdigest()
    return {**dataclasses.asdict(options), "parent": parent}
