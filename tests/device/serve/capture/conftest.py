"""A camera that shows what a test wants, and an album."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from corallite.device.engine.classifier import Prediction
from corallite.device.loop.classify_frames import Result
from corallite.device.serve.capture.album import Album
from corallite.device.serve.live.camera import CameraStatus, Snapshot


@dataclass
class ShownCamera:
    """In place of a `Camera`: its newest frame is what `show` was given.

    Attributes:
        state: The state of the source.
        newest: The newest frame.
    """

    state: str = "live"
    newest: Any = None
    rng: Any = field(default_factory=lambda: np.random.default_rng(0))

    def status(self):
        return CameraStatus(self.state, self.newest)

    def show(self, image=None, label="cup", probability=0.9):
        """Shows an image, by default one that looks like no other."""
        if image is None:
            blocks = self.rng.integers(0, 256, (9, 9, 3), np.uint8)
            image = np.kron(blocks, np.ones((8, 8, 1), np.uint8))
        top = [Prediction(label, probability)]
        result = Result(0, 0.0, "x", top, label, 1.0)
        self.newest = Snapshot(image, result, time.monotonic())
        return self.newest


@pytest.fixture
def camera():
    """A camera that is live and shows nothing yet."""
    return ShownCamera()


@pytest.fixture
def album(tmp_path):
    """An album with the classes "cup" and "pen", without photos."""
    album = Album(tmp_path / "photos")
    album.add_class("cup")
    album.add_class("pen")
    return album
