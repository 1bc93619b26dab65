"""The engine of `corallite serve --capture` until the first model is taught."""

import numpy as np

from corallite.device.engine.base import Engine, Probabilities, Status
from corallite.device.image.preprocess import Image, Preprocessing
from corallite.device.model.manifest import Manifest

STATE = "untaught"


class Untaught(Engine):
    """An engine without labels: every result has an empty `top`."""

    def __init__(self) -> None:
        """Takes images of 224 x 224 pixels, as most models do."""
        self._manifest = Manifest.of_classifier("", "", (), Preprocessing((224, 224)))

    @property
    def manifest(self) -> Manifest:
        """A manifest without labels."""
        return self._manifest

    def run(self, pixels_u8: Image) -> Probabilities:
        """Returns no probability, float32 [0]."""
        return np.zeros(0, np.float32)

    def status(self) -> Status:
        """Returns the state "untaught"."""
        return Status("", "", state=STATE)
