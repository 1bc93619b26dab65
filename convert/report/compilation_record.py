"""Reads the record of a run's compilation for the Edge TPU, or predicts it."""

import dataclasses
from pathlib import Path
from typing import Any

from corallite.convert.edgetpu.compile.compiler import Options
from corallite.convert.edgetpu.predict.memory import Parameters
from corallite.convert.edgetpu.predict.prediction import Prediction, predict
from corallite.convert.tflite.model import Model
from corallite.device.system import files
from corallite.train.runs.run import hash_file

# Flags that are not called like their option.
_FLAGS = {"multiple_subgraphs": "enable_multiple_subgraphs"}


def find_mapping(run_dir: Path, model: Model, sha256: str) -> tuple[Prediction, bool]:
    """Returns which operators are mapped, and whether that is a prediction.

    It is not a prediction if the compiler was run on this file.

    Args:
        run_dir: Where `edgetpu/metrics.json` may be.
        model: The int8 file's structure.
        sha256: Of that file.

    Raises:
        RequestError: The record of the compilation is damaged.
    """
    path = run_dir / "edgetpu" / "metrics.json"
    said = (
        files.read_record(path, lambda x: _recall(x, sha256)) if path.exists() else None
    )
    return (predict(model), True) if said is None else (said, False)


def hash_compiled(run_dir: Path) -> dict[str, str]:
    """Returns the SHA-256 of each file of the last compilation, by path in the run.

    Other files in its folder may be from an earlier one, with other segments.

    Raises:
        RequestError: The record of the compilation is damaged.
    """
    path = run_dir / "edgetpu" / "metrics.json"
    # By name only: the run may have been moved since.
    names = files.read_record(path, lambda x: [Path(n).name for n in x["compiled"]])
    compiled = [path.with_name(name) for name in names]
    return {
        path.relative_to(run_dir).as_posix(): hash_file(path)
        for path in compiled
        if path.exists()
    }


def list_compile_flags(run_dir: Path) -> dict[str, Any]:
    """Returns the flags of the last compilation that were not the default.

    Raises:
        RequestError: The record of the compilation is damaged.
    """
    path = run_dir / "edgetpu" / "metrics.json"
    made_from = files.read_record(path, lambda x: dict(x["inputs"]))
    defaults = dataclasses.asdict(Options())
    return {
        _FLAGS.get(name, name): made_from[name]
        for name, value in defaults.items()
        if made_from.get(name, value) != value
    }


def _recall(record: dict[str, Any], sha256: str) -> Prediction | None:
    """Returns the mapping in a record; None if it is of another file or predicted."""
    if record["inputs"]["parent"] != sha256 or record.get("is_predicted"):
        return None
    return _to_prediction(record["edgetpu"])


def _to_prediction(said: dict[str, Any]) -> Prediction:
    """Returns the prediction that `Prediction.to_json` wrote; None becomes 0."""
    names = ("on_chip", "streamed", "reserved")
    sizes = {name: said.get(f"parameter_bytes_{name}") or 0 for name in names}
    return Prediction(
        mapped=tuple(said["mapped"]),
        status={int(index): text for index, text in said["status"].items()},
        subgraphs=said["subgraphs"],
        first_cut=said["first_cut"],
        suggestion=said["cure"],
        failure=said["failure"],
        parameters=Parameters(**sizes),
        compiler=said["compiler"],
    )
