"""Compares models that find boxes, on the same images."""

import itertools
from collections.abc import Sequence

import numpy as np

from corallite.convert.accuracy.comparison import (
    BOXES_MEASURE,
    AccuracyComparison,
    Verdict,
)
from corallite.convert.accuracy.measure import compare_models
from corallite.convert.accuracy.paired import Step
from corallite.convert.evaluate.boxes.find_in_file import Predicted, predict_boxes
from corallite.convert.evaluate.keras_model import predict_by_keras
from corallite.train.data.load import ImageData, Split
from corallite.train.runs.stage import Stage
from corallite.train.training.detect.average_precision import (
    Found,
    mean_average_precision,
)
from corallite.train.training.detect.resample import resample_difference

# From this score on, two models give the same labels to an image, or not.
_SHOWN = 0.3

_WORSE = (Verdict.PASSED, Verdict.NOT_PROVEN, Verdict.FAILED)

# The name of a model, and what it predicts.
Named = tuple[str, Predicted]


def predict_stage(stage: Stage, split: Split) -> Predicted:
    """Returns what the model of a stage predicts for each image of a split."""
    if stage.kind.is_keras:
        return predict_by_keras(stage.model_path, split)
    return predict_boxes(stage.model_path, split)


def compare_found(
    chain: Sequence[Named],
    data: ImageData,
    method: str,
    granularity: str = "channel",
    sha256: str = "",
    *,
    max_drop: float | None = None,
) -> AccuracyComparison:
    """Compares each model of a chain with the next, and the first with the last.

    Models that predict the image's class, too, are compared by mAP50 and by top-1; the
    comparison with the worse verdict is returned, of two equal ones the one in which
    the last model lost more. Unless one failed, that of boxes is returned if nothing is
    found.

    Args:
        chain: The models, the last one made from the first.
        data: The images; those of `data.judging` were used.
        method: See `AccuracyComparison`.
        granularity: Of the scales of convolutions.
        sha256: Hash of the last model's file.
        max_drop: Percentage points of each that the last model may be below the first;
            None for the method's default.
    """
    if data.boxes is None:
        raise ValueError("Expected `data` to have boxes.")
    split = data.judging
    boxes, labels = split.require_boxes(), len(data.boxes.labels)
    pairs = [*itertools.pairwise(chain), (chain[0], chain[-1])]
    steps = [_compare_pair(*pair, boxes, labels) for pair in pairs]
    compared = AccuracyComparison(
        part="val",
        images=len(split.labels),
        method=method,
        granularity=granularity,
        max_drop=0.0,
        steps=steps[:-1],
        overall=steps[-1],
        layer_images=0,
        layers=[],
        file_sha256=sha256,
        is_trained_on=data.is_val_shared,
    ).with_limit(max_drop)
    if not data.boxes.classifies:
        return compared
    classes = [(name, x.probabilities.argmax(axis=1)) for name, x in chain]
    others = compare_models(classes, data, method, granularity, sha256)
    return max(
        compared,
        others.with_limit(max_drop),
        key=lambda x: (
            *(not x.passed, x.finds_nothing),
            *(_WORSE.index(x.verdict), x.overall.drop_points),
        ),
    )


def _compare_pair(
    before: Named, after: Named, boxes: np.ndarray, num_labels: int
) -> Step:
    found = before[1].found, after[1].found
    first, second = (mean_average_precision(x, boxes, num_labels) for x in found)
    same = [_list_labels(x) == _list_labels(y) for x, y in zip(*found, strict=True)]
    return Step(
        before[0],
        after[0],
        top1_from=first,
        top1_to=second,
        difference=second - first,
        interval=resample_difference(*found, boxes, num_labels),
        agreement=float(np.mean(same)),
        measure=BOXES_MEASURE,
    )


def _list_labels(found: Found) -> list[int]:
    return sorted(found.labels[found.scores >= _SHOWN].tolist())
