"""What answers for an image: a model, and whatever runs it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from corallite.device.image.preprocess import Image, Preprocessing
from corallite.device.model.manifest import Manifest


class OutdatedPixelsError(Exception):
    """Another model took over after `renew`, and wants another size or crop."""


@dataclass(frozen=True)
class Status:
    """How an engine is, for logs, pages and metrics.

    Attributes:
        model: The architecture, as the manifest has it.
        version: Of the model, as the manifest has it.
        device: What gave the last answer: "cpu", "edgetpu", or "edgetpu:0" and so on.
        state: "ready", or "lost" while the CPU stands in for an accelerator.
        losses: How many times an accelerator was lost.
        swaps: How many times the model was replaced by another.
        last_error: The last thing that went wrong, one sentence; "" if nothing has.
    """

    model: str
    version: str
    device: str = "cpu"
    state: str = "ready"
    losses: int = 0
    swaps: int = 0
    last_error: str = ""


class Engine(Protocol):
    """Classifies images. Not for use by two threads at once, but for `status`."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each output, in order."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How `classify` brings an image to the input's size."""

    def classify(self, image_rgb_u8: Image) -> npt.NDArray[np.float32]:
        """Classifies uint8 RGB [height, width, 3] of any size: float32 [classes]."""

    def run(self, pixels_u8: Image) -> npt.NDArray[np.float32]:
        """Classifies uint8 RGB [height, width, 3] of the input's size.

        Raises:
            OutdatedPixelsError: Of an engine that others use too; fit them again.
        """

    def renew(self) -> None:
        """Lets a new model take over, if one waits; `classify` does so by itself."""

    def status(self) -> Status:
        """Tells how it is; may be called from any thread."""

    def close(self) -> None:
        """Gives back processes and threads; it cannot be used any more."""
