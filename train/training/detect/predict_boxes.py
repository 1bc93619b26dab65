"""What a Keras model finds on a split, decoded with the code of the device."""

import numpy as np

from corallite.device.engine.detect.peaks import find_peaks
from corallite.train.data.input_pipeline import evaluation_batches, reporting_unreadable
from corallite.train.data.load import Split
from corallite.train.framework.keras import keras
from corallite.train.runs.found import LEAST_SCORE, MOST_BOXES, STRIDE
from corallite.train.training.detect.average_precision import Found

_BATCH_SIZE = 64


def predict_outputs(model: keras.Model, split: Split) -> list[np.ndarray]:
    """Returns the outputs of each image, float32 `[n, ...]`, see `add_boxes`."""
    batches = evaluation_batches(split, _BATCH_SIZE, lambda labels, boxes: labels)
    with reporting_unreadable():
        return model.predict(batches.map(lambda images, labels: images), verbose=0)


def find_boxes(
    heatmaps: np.ndarray, boxes: np.ndarray, size_hw: tuple[int, int]
) -> list[Found]:
    """Returns the boxes of each image, as a device finds them.

    Args:
        heatmaps: float32 `[n, rows, columns, labels]`.
        boxes: float32 `[n, rows, columns, 4]`.
        size_hw: Height and width of the model's input.
    """
    height, width = size_hw
    found = []
    for heatmap, cells in zip(heatmaps, boxes, strict=True):
        peaks = find_peaks(
            heatmap,
            cells,
            stride=STRIDE,
            size_hw=size_hw,
            threshold=LEAST_SCORE,
            most=MOST_BOXES,
        )
        # Those of the images end at the borders, too.
        corners = np.clip(peaks.corners / (width, height, width, height), 0.0, 1.0)
        found.append(Found(peaks.labels, peaks.scores, corners))
    return found


def find_in_split(model: keras.Model, split: Split) -> list[Found]:
    """Returns the boxes that a model finds in each image of a split."""
    heatmaps, boxes, *_ = predict_outputs(model, split)
    return find_boxes(heatmaps, boxes, split.images_rgb_u8.shape[1:3])
