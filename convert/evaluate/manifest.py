"""The manifest of a file made from a run."""

from corallite.device.model.manifest import Manifest
from corallite.train.data.load import ImageData
from corallite.train.runs.run import Run
from corallite.train.runs.stage import package_versions


def make_manifest(run: Run, data: ImageData, accuracy: dict[str, float]) -> Manifest:
    """Returns the manifest for a file of this run."""
    return Manifest.of_classifier(
        model=run.recall(lambda x: f"{x['network']['model']} {x['network']['width']}x"),
        version=run.path.resolve().name,
        labels=data.class_names,
        preprocessing=data.preprocessing,
        data_fingerprint=data.fingerprint,
        accuracy=accuracy,
        versions=package_versions(),
    )
