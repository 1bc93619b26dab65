"""What a Keras model predicts on a split, on the pixels that a device would give it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from corallite.train.data.boxes.run_boxes import RunBoxes
from corallite.train.data.input_pipeline import (
    evaluation_batches,
    one_hot,
    reporting_unreadable,
)
from corallite.train.data.load import ImageData, Split
from corallite.train.framework.keras import keras
from corallite.train.runs.predictions import PredictionSummary, summarize
from corallite.train.training.detect.average_precision import (
    Found,
    mean_average_precision,
)
from corallite.train.training.detect.predict_boxes import find_boxes, predict_outputs

_BATCH_SIZE = 256


def predict(model: keras.Model, split: Split) -> np.ndarray:
    """Returns the probabilities of each image, float32 `[n, classes]`."""
    targets = one_hot(model.output_shape[-1])
    batches = evaluation_batches(split, _BATCH_SIZE, targets)
    with reporting_unreadable():
        return model.predict(batches, verbose=0)


def describe_predictions(model: keras.Model, data: ImageData) -> dict[str, Any]:
    """Returns "predictions" for a stage's record, see `Stage.predictions`.

    Of a model that finds boxes, also "boxes", see `Stage.map50`.
    """
    split, record = data.splits["val"], {}
    if data.boxes is None:
        probabilities = predict(model, split)
    else:
        heatmaps, cells, *others = predict_outputs(model, split)
        found = find_boxes(heatmaps, cells, data.preprocessing.size_hw)
        record = {"boxes": describe_found(found, split, data.boxes)}
        if not others:
            return record
        (probabilities,) = others
    predicted = probabilities.argmax(axis=1)
    summary = summarize_labels(predicted, split, data.class_names)
    return {**record, "predictions": dataclasses.asdict(summary)}


def describe_found(
    found: Sequence[Found], split: Split, boxes: RunBoxes
) -> dict[str, Any]:
    """Returns how many images a model was shown, and its mAP50, for a record."""
    count, labels = len(split.labels), boxes.labels
    map50 = mean_average_precision(found, split.require_boxes(), len(labels))
    return {"images": count, "map50": map50}


def summarize_labels(
    predicted: np.ndarray, split: Split, class_names: Sequence[str]
) -> PredictionSummary:
    """Summarizes the labels, int `[n]`, that a model predicts on a split."""
    true_counts, predicted_counts = (
        np.bincount(labels, minlength=len(class_names)).tolist()
        for labels in (split.labels, predicted)
    )
    right = int(np.sum(predicted == split.labels))
    return summarize(true_counts, predicted_counts, right, class_names)
