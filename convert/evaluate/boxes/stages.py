"""Evaluates every stage of a run that finds boxes, each once."""

from typing import Any

from corallite.convert.evaluate.boxes.find_in_file import (
    predict_boxes,
    time_boxes,
)
from corallite.convert.evaluate.boxes.metrics import (
    BoxEvaluation,
    BoxResult,
    score_boxes,
)
from corallite.convert.evaluate.stages import (
    describe_file,
    recall_result,
    require_current,
    runnable_stages,
)
from corallite.train.data.load import ImageData
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage

# Version of the records; a stage with another version is measured again.
_FORMAT = 1


def evaluate_boxes(run: Run, data: ImageData, split: str = "test") -> list[BoxResult]:
    """Evaluates each finished stage on a split; earlier results are reused.

    Raises:
        RequestError: As `evaluate_run`.
    """
    require_current(run)
    version = {"boxes_format": _FORMAT}
    return [
        recall_result(stage, data, split, version, _to_result, _measure)
        for stage in runnable_stages(run)
    ]


def _to_result(record: dict[str, Any]) -> BoxResult:
    evaluation = BoxEvaluation.from_json(record.pop("evaluation"))
    return BoxResult(evaluation=evaluation, **record)


def _measure(stage: Stage, data: ImageData, split: str) -> BoxResult:
    if data.boxes is None:
        raise ValueError("Expected `data` to have boxes.")
    images, path = data.splits[split], stage.model_path
    if stage.kind.is_keras:
        # Not at the top: it loads TensorFlow, which is not needed to read results.
        from corallite.convert.evaluate import keras_model

        if stage.runner() == "keras":
            sparsity = stage.recall(lambda x: float(x["sparsity"]["overall"]))
            predicted = keras_model.predict_by_keras(path, images)
            scored = score_boxes(predicted, images, data.boxes)
            return BoxResult(stage.name, scored, sparsity)
        path = keras_model.export_float(stage, data)
    latencies_ms = time_boxes(path, images)
    evaluation = score_boxes(
        predict_boxes(path, images), images, data.boxes, latencies_ms
    )
    shown = str(path.relative_to(stage.run.path))
    return BoxResult(stage.name, evaluation, **describe_file(path, shown))
