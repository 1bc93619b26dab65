"""TensorFlow's SavedModel with a signature that takes raw pixels."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corallite.convert.export.judge import REFUSAL_OPTIONS, judge
from corallite.convert.export.targets.target import (
    Candidate,
    Target,
    is_float,
    reporting,
)
from corallite.convert.tflite.converter import hold, without_log
from corallite.device.engine.runners import saved_model
from corallite.device.model.manifest import MANIFEST_NAME
from corallite.optimize.keras_graph.load import load_model
from corallite.train.data.load import ImageData
from corallite.train.framework.keras import keras, tf
from corallite.train.runs.stage import Stage


def export(stage: Stage, data: ImageData, settings: Mapping[str, Any]) -> Candidate:
    """Writes a stage as a SavedModel; see `Target.export`."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _save(load_model(stage.model_path), folder)
        runner = saved_model.load(folder)
        judged = judge(runner, "exports/saved_model", stage, data, settings)
        paths = sorted(x for x in folder.rglob("*") if x.is_file())
        paths.sort(key=lambda x: x.name != saved_model.MAIN_FILE)
        files = {f"model/{x.relative_to(folder)}": x.read_bytes() for x in paths}
    manifest = json.dumps(judged.manifest.to_json()).encode()
    files[f"model/{saved_model.EXTRA_FOLDER}/{MANIFEST_NAME}"] = manifest
    return Candidate(files, judged.labels, record=judged.record)


def _save(model: keras.Model, folder: Path) -> None:
    """Saves a model that takes pixels, uint8 `[n, height, width, 3]`."""
    shape = (None, *model.input_shape[1:])

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8, name="image")])
    def serve(image: Any) -> dict[str, Any]:
        pixels = tf.cast(image, tf.float32) / 255.0
        return {"probabilities": model(pixels, training=False)}

    with reporting("TensorFlow"), without_log():
        tf.saved_model.save(hold(serve), str(folder), signatures=serve)


TARGETS = (
    Target(
        "saved_model",
        "TensorFlow SavedModel; its signature takes raw pixels, any number of images",
        accepts=is_float,
        export=export,
        verified="TensorFlow on x86-64",
        runner="saved_model",
        options=REFUSAL_OPTIONS,
    ),
)
