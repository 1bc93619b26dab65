"""Refuses a new model whose predictions mean something else."""

from corallite.device.model.manifest import Manifest
from corallite.device.system.errors import RequestError


def require_same_meaning(new: Manifest, former: Manifest) -> None:
    """Refuses a change between one label for an image and several, and to boxes.

    Thresholds and outputs were chosen for the former.
    """
    if (new.boxes is None) != (former.boxes is None):
        raise RequestError(
            "only one of it and the former model is a detector; restart the program"
        )
    if new.classes.is_multilabel != former.classes.is_multilabel:
        raise RequestError(
            "only one of it and the former model is multi-label; restart the program"
        )
