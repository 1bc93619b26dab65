"""What the Edge TPU compiler said of a run's int8 file, or would say."""

from pathlib import Path
from typing import Any

from corallite.convert.audit.model import Model
from corallite.convert.edgetpu.memory import Parameters
from corallite.convert.edgetpu.prediction import Prediction, predict
from corallite.device import files
from corallite.device.errors import RequestError


def find_verdict(run_dir: Path, model: Model, sha256: str) -> tuple[Prediction, bool]:
    """Returns what is mapped, and whether that is a prediction.

    It is what the compiler said, if it was run on this very file.

    Args:
        run_dir: Where `edgetpu/metrics.json` may be.
        model: The int8 file's structure.
        sha256: Of that file.

    Raises:
        RequestError: The record of the compilation is damaged.
    """
    path = run_dir / "edgetpu" / "metrics.json"
    record = files.read_json(path) if path.exists() else {}
    if record.get("inputs", {}).get("parent") != sha256 or record.get("is_predicted"):
        return predict(model), True
    try:
        return _to_prediction(record["edgetpu"]), False
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(
            f"{path} is damaged ({error!r}); remove it and run the same command again."
        ) from error


def _to_prediction(said: dict[str, Any]) -> Prediction:
    """Returns what `Prediction.to_json` made a record of; None becomes 0."""
    names = ("on_chip", "streamed", "reserved")
    sizes = {name: said.get(f"parameter_bytes_{name}") or 0 for name in names}
    return Prediction(
        mapped=tuple(said["mapped"]),
        status={int(index): text for index, text in said["status"].items()},
        subgraphs=said["subgraphs"],
        first_cut=said["first_cut"],
        cure=said["cure"],
        failure=said["failure"],
        parameters=Parameters(**sizes),
        compiler=said["compiler"],
    )
