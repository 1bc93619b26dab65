"""What every engine can do."""

import abc
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corallite.device.image.preprocess import Image, Preprocessing, fit_image
from corallite.device.model.manifest import Manifest

Probabilities = npt.NDArray[np.float32]


class OutdatedPixelsError(Exception):
    """Another model has taken over, which needs another size or crop."""


@dataclass(frozen=True)
class Status:
    """The state of an engine, for logs, pages and metrics.

    Attributes:
        model: The architecture, from the manifest.
        version: The model's version, from the manifest.
        device: What gave the last answer: "cpu", "edgetpu", or "edgetpu:0" and so on.
        state: "ready", or "lost" while the CPU takes over for an accelerator.
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
        """The manifest of the model that gave the last answer."""

    @abc.abstractmethod
    def run(self, pixels_u8: Image) -> Probabilities:
        """Classifies uint8 RGB [height, width, 3] of the size in `preprocessing`.

        Returns:
            float32 [classes], probabilities if the manifest says so.

        Raises:
            OutdatedPixelsError: Another model has taken over; fit the image again.
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
        """How `classify` brings an image to the input's size."""
        return self.manifest.preprocessing

    def classify(self, image_rgb_u8: Image) -> Probabilities:
        """Classifies uint8 RGB [height, width, 3] of any size: float32 [classes]."""
        while True:
            try:
                return self.run(fit_image(image_rgb_u8, self.preprocessing))
            except OutdatedPixelsError:
                continue


class AcceleratedEngine(Engine):
    """An engine that also needs an accelerator, which only one engine can have."""

    @abc.abstractmethod
    def start(self) -> None:
        """Begins to acquire the accelerator; the engine answers before and after."""

    @abc.abstractmethod
    def wait_started(self, timeout_s: float) -> str:
        """Waits until it is acquired; returns why it is not, a sentence, or ""."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Releases it, with its process and thread; `start` acquires it again."""
