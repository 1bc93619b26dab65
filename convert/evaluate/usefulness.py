"""Warns of models whose predictions are no better than one label for all images."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from corallite.convert.evaluate.metrics import Evaluation, StageResult
from corallite.train.runs.kinds import KINDS
from corallite.train.runs.predictions import PredictionSummary, summarize


def summarize_evaluation(
    evaluation: Evaluation, class_names: Sequence[str]
) -> PredictionSummary:
    """Summarizes what was predicted, from the confusion matrix."""
    confusion = evaluation.confusion
    true_counts = [sum(row) for row in confusion]
    predicted_counts = [sum(column) for column in zip(*confusion, strict=True)]
    right = sum(confusion[i][i] for i in range(len(confusion)))
    return summarize(true_counts, predicted_counts, right, class_names)


def to_json(
    result: StageResult, class_names: Sequence[str], split: str
) -> dict[str, Any]:
    """Returns a result for programs to read, with "predictions" and "warning".

    The warning is "" for a useful model.
    """
    summary = summarize_evaluation(result.evaluation, class_names)
    return {
        **dataclasses.asdict(result),
        "predictions": dataclasses.asdict(summary),
        "warning": summary.explain_fault(result.stage, split),
    }


def list_warnings(
    results: Sequence[StageResult], class_names: Sequence[str], split: str
) -> list[str]:
    """Returns a sentence for each useless model; what to do, after the first one.

    Args:
        results: Of the stages in the order in which they were made, or of one file.
        class_names: In the order of the labels.
        split: "train", "val" or "test".
    """
    warnings: list[str] = []
    for result in results:
        summary = summarize_evaluation(result.evaluation, class_names)
        fault = summary.explain_fault(result.stage, split)
        if fault and not warnings and result.stage in KINDS:
            fault = f"{fault} {KINDS[result.stage].suggestion}"
        warnings += [fault] if fault else []
    return warnings
