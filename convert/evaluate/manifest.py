"""The manifest of a file made from a run."""

from typing import Any

from corallite.device.model.manifest import BoxesOutput, ClassesOutput, Manifest
from corallite.train.data.load import ImageData
from corallite.train.runs.found import MOST_BOXES, SCORES, STRIDE
from corallite.train.runs.record import package_versions
from corallite.train.runs.run import Run


def make_manifest(run: Run, data: ImageData, accuracy: dict[str, float]) -> Manifest:
    """Returns the manifest for a file of this run."""
    common: dict[str, Any] = {
        "model": run.recall(
            lambda x: f"{x['network']['model']} {x['network']['width']}x"
        ),
        "version": run.path.resolve().name,
        "preprocessing": data.preprocessing,
        "data_fingerprint": data.fingerprint,
        "accuracy": accuracy,
        "versions": package_versions(),
    }
    if data.boxes is None:
        return Manifest.of_classifier(labels=data.class_names, **common)
    boxes = BoxesOutput(data.boxes.labels, stride=STRIDE, most=MOST_BOXES)
    classes = None
    if data.boxes.classifies:
        classes = ClassesOutput(data.class_names, name=SCORES)
    return Manifest.of_detector(boxes=boxes, classes=classes, **common)
