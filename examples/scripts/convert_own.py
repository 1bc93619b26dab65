"""Converts a model of train_own.py to the file for the device, and compares both.

    python convert_own.py --model=models/qat.h5 --photos=photos.npz --out=model.tflite

The manifest in the file tells the device labels and preprocessing. Exits with 1 if int8
is proven to be more than --max_drop percentage points below the model.
"""

from pathlib import Path

import numpy as np
from absl import app, flags

from corallite.convert.accuracy.paired import compare_predictions
from corallite.convert.tflite.compact import compact
from corallite.convert.tflite.converter import convert_to_int8
from corallite.device.engine.classifier import Classifier
from corallite.device.image.spec import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest
from corallite.optimize.keras_graph.load import load_model

_MODEL = flags.DEFINE_string("model", None, "A .h5 file.", required=True)
_PHOTOS = flags.DEFINE_string("photos", None, "As for train_own.py.", required=True)
_LABELS = flags.DEFINE_list("labels", None, "The name of each class.", required=True)
_OUT = flags.DEFINE_string("out", None, "The .tflite file to write.", required=True)
_MAX_DROP = flags.DEFINE_float("max_drop", 1.0, "Percentage points of top-1.")


def main(_: list[str]) -> int:
    photos = np.load(_PHOTOS.value)
    images = photos["val_images"]
    model = load_model(Path(_MODEL.value))
    calibration = photos["train_images"][:500].astype(np.float32) / 255
    content = convert_to_int8(model, calibration)
    manifest = Manifest.of_classifier(
        model=Path(_MODEL.value).stem,
        version="1",
        labels=tuple(_LABELS.value),
        preprocessing=Preprocessing(images.shape[1:3]),
    )
    out = Path(_OUT.value)
    out.write_bytes(compact(attach_manifest(content, manifest)))

    expected = model.predict(images.astype(np.float32) / 255, verbose=0).argmax(1)
    # As the device runs it.
    classifier = Classifier(out)
    found = np.array([classifier.run(image).argmax() for image in images])
    step = compare_predictions(
        (_MODEL.value, out.name), expected, found, photos["val_labels"]
    )
    print(
        f"{out}: {len(out.read_bytes()):,} bytes, top-1 {100 * step.top1_to:.2f} after "
        f"{100 * step.top1_from:.2f}, {100 * step.agreement:.2f} % of labels equal"
    )
    return 1 if step.drop_interval[0] > _MAX_DROP.value else 0


if __name__ == "__main__":
    app.run(main)
