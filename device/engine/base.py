"""What every engine can do."""

import abc
from typing import Any, NamedTuple

import numpy as np

from corallite.device.image.preprocess import Image, Preprocessing, fit_image
from corallite.device.model.manifest import Manifest

Probabilities = np.ndarray[Any, np.dtype[np.float32]]


class OutdatedPixelsError(Exception):
    """The model was replaced by one that needs another image size or crop."""


class Status(NamedTuple):
    """The state of an engine, for logs, pages and metrics.

    Attributes:
        model: The architecture, from the manifest.
        version: The model's version, from the manifest.
        device: Where the last prediction was made: "cpu", "edgetpu", "edgetpu:0" ...
        state: "ready", "lost" while the CPU replaces an accelerator, or "untaught" as
            long as there is no model.
        losses: How many times an accelerator was lost.
        swaps: How many times the model was replaced by another.
        last_error: The last error, one sentence; "" if there was none.
    """

    model: str
    version: str
    device: str = "cpu"
    state: str = "ready"
    losses: int = 0
    swaps: int = 0
    last_error: str = ""


class Engine(abc.ABC):
    """Classifies images. One thread at a time may use it, except for `status`."""

    @property
    @abc.abstractmethod
    def manifest(self) -> Manifest:
        """The manifest of the model that made the last prediction."""

    @abc.abstractmethod
    def run(self, pixels_u8: Image) -> Probabilities:
        """Classifies uint8 RGB [height, width, 3] of the size in `preprocessing`.

        Returns:
            float32 [classes], probabilities if the manifest says so.

        Raises:
            OutdatedPixelsError: The model was replaced; fit the image again.
            RequestError: The model loads but does not run.
        """

    @abc.abstractmethod
    def status(self) -> Status:
        """Returns the engine's state; may be called from any thread."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each class, in order."""
        return self.manifest.labels

    @property
    def preprocessing(self) -> Preprocessing:
        """How `classify` fits an image to the input's size."""
        return self.manifest.preprocessing

    def classify(self, image_rgb_u8: Image) -> Probabilities:
        """Classifies uint8 RGB [height, width, 3] of any size: float32 [classes]."""
        while True:
            try:
                return self.run(fit_image(image_rgb_u8, self.preprocessing))
            except OutdatedPixelsError:
                continue


class AcceleratedEngine(Engine):
    """An engine that uses an accelerator, which only one engine can have."""

    @abc.abstractmethod
    def start(self) -> None:
        """Begins to acquire the accelerator; the engine works before that too."""

    @abc.abstractmethod
    def wait_started(self, timeout_s: float) -> str:
        """Waits for the accelerator; returns a sentence why it is missing, or ""."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Releases the accelerator, its process and its thread, until `start`."""
