"""How accurate the model of a finished stage is, as its record says."""

from typing import Any

from corallite.train.runs.predictions import PredictionSummary
from corallite.train.runs.stage import Stage


def find_accuracy(stage: Stage) -> float:
    """Returns the validation accuracy of the weights that were kept.

    Raises:
        RequestError: The record does not have it.
    """
    summary = stage.predictions()
    if summary is not None:
        return summary.right / summary.images
    return stage.recall(lambda x: float(x["history"][x["best_epoch"]]["val_accuracy"]))


def describe_accuracy(stage: Stage) -> str:
    """Returns what can be expected of new images, as part of a sentence.

    Raises:
        RequestError: The record does not have it.
    """
    metrics = stage.metrics()
    if "boxes" in metrics:
        return stage.recall(_describe_boxes)
    if "head" in metrics and metrics["inputs"].get("frozen"):
        return stage.recall(_describe_folds)
    of_known = " of images trained on" if metrics.get("trained_on_val") else ""
    return f"validation accuracy {find_accuracy(stage):.4f}{of_known}"


def _describe_folds(metrics: dict[str, Any]) -> str:
    head = metrics["head"]
    low, high = map(float, head["interval"])
    return (
        f"accuracy {float(head['accuracy']):.4f} in {int(head['folds'])} folds (95 %: "
        f"{low:.4f} to {high:.4f})"
    )


def _describe_boxes(metrics: dict[str, Any]) -> str:
    text = f"validation mAP50 {float(metrics['boxes']['map50']):.4f}"
    if "predictions" in metrics:
        summary = PredictionSummary.from_json(metrics["predictions"])
        text += f", accuracy {summary.right / summary.images:.4f}"
    return text
