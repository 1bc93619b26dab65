"""What the Edge TPU compiler did with a run's file, or would do."""

from typing import Any

from corallite.convert.edgetpu.predict.memory import Parameters
from corallite.convert.edgetpu.predict.prediction import Prediction, predict
from corallite.convert.export.edgetpu import KIND
from corallite.convert.tflite.model import Model
from corallite.train.runs.stage import Stage


def find_placement(
    stages: list[Stage], source: Stage, model: Model
) -> tuple[Prediction, bool]:
    """Returns the mapped operators, and whether they are predicted.

    If the compiler was run on exactly this file, they are its result.

    Args:
        stages: The finished stages of the run.
        source: The stage whose file can be compiled.
        model: The structure of its file.

    Raises:
        RequestError: The record of the compilation is damaged.
    """
    for stage in stages:
        if stage.kind == KIND and stage.parent() == source:
            compiled = stage.recall(lambda x: _to_prediction(x["edgetpu"]))
            return compiled, False
    return predict(model), True


def _to_prediction(said: dict[str, Any]) -> Prediction:
    """Creates a prediction from the dict of `Prediction.to_json`; None becomes 0."""
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
