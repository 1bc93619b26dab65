"""Opens a model file as a classifier or a detector."""

from pathlib import Path
from typing import Any

from corallite.device.engine.classifier import Classifier, FileEngine
from corallite.device.engine.overrides import choose_manifest
from corallite.device.model.manifest import Manifest


def open_file(
    path: str | Path, manifest: Manifest | None = None, **options: Any
) -> FileEngine:
    """Opens a model file as what its manifest says it is.

    Args:
        path: The file.
        manifest: Used in place of the one that the file carries.
        options: Others of `FileEngine`.

    Raises:
        RequestError: As `FileEngine`.
    """
    manifest = manifest or choose_manifest(path)
    if manifest.boxes is None:
        return Classifier(path, manifest=manifest, **options)
    # Not at the top: most models are classifiers.
    from corallite.device.engine.detect.detector import Detector

    return Detector(path, manifest=manifest, **options)
