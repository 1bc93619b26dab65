"""What a Keras model predicts on a split, on the pixels that a device would give it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from corallite.train.data.input_pipeline import (
    evaluation_batches,
    one_hot,
    reporting_unreadable,
)
from corallite.train.data.load import ImageData, Split
from corallite.train.framework.keras import keras
from corallite.train.runs.predictions import PredictionSummary, summarize

_BATCH_SIZE = 256


def predict(model: keras.Model, split: Split) -> np.ndarray:
    """Returns the probabilities of each image, float32 `[n, classes]`."""
    targets = one_hot(model.output_shape[-1])
    batches = evaluation_batches(split, _BATCH_SIZE, targets)
    with reporting_unreadable():
        return model.predict(batches, verbose=0)


def describe_predictions(model: keras.Model, data: ImageData) -> dict[str, Any]:
    """Returns "predictions" for a stage's record, see `Stage.predictions`."""
    split = data.splits["val"]
    predicted = predict(model, split).argmax(axis=1)
    summary = summarize_labels(predicted, split, data.class_names)
    return {"predictions": dataclasses.asdict(summary)}


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
