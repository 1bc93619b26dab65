"""Measures the Keras model of a stage, and exports it as a float TFLite file."""

from pathlib import Path

import numpy as np

from corallite.convert.evaluate.boxes.find_in_file import Predicted
from corallite.convert.evaluate.manifest import make_manifest
from corallite.convert.evaluate.metrics import Evaluation, score
from corallite.convert.tflite import converter
from corallite.device.model.write import attach_manifest
from corallite.device.system import files
from corallite.optimize.keras_graph.load import load_model
from corallite.train.data.load import ImageData, Split
from corallite.train.framework.keras import keras
from corallite.train.runs.stage import Stage
from corallite.train.training.detect.predict_boxes import find_boxes, predict_outputs
from corallite.train.training.predictions import predict

FLOAT_FILE = "model_float.tflite"


def export_float(stage: Stage, data: ImageData) -> Path:
    """Writes a float TFLite file beside a stage's Keras model, if it does not exist.

    int8 is compared with that file on the same device.

    Raises:
        RequestError: The stage is not finished.
    """
    source = stage.require()
    path = stage.path / FLOAT_FILE
    if not path.exists() or path.stat().st_mtime < source.stat().st_mtime:
        content = converter.convert_to_float(load_model(source))
        manifest = make_manifest(stage.run, data, {})
        files.write_bytes(path, attach_manifest(content, manifest))
    return path


def evaluate_keras(path: Path, split: Split) -> Evaluation:
    """Evaluates a Keras model on the pixels that it would get on a device."""
    return score(predict(load_model(path), split), split.labels)


def predict_by_keras(path: Path, split: Split) -> Predicted:
    """Returns what a Keras model that finds boxes predicts for each image."""
    return predict_boxes_by_model(load_model(path), split)


def predict_boxes_by_model(model: keras.Model, split: Split) -> Predicted:
    """Returns the same for a loaded model."""
    heatmaps, cells, *others = predict_outputs(model, split)
    found = find_boxes(heatmaps, cells, split.images_rgb_u8.shape[1:3])
    return Predicted(found, others[0] if others else np.zeros((len(found), 0)))


def predict_labels(model: keras.Model, split: Split) -> np.ndarray:
    """Returns the most probable label of each image, int `[n]`, as a device picks it.

    Of equal probabilities the first wins.
    """
    return predict(model, split).argmax(axis=1)
