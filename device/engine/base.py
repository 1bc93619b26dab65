"""What every engine can do."""

import abc
from typing import Any, NamedTuple

import numpy as np

from corallite.device.image.preprocess import Image, Preprocessing, fit_image
from corallite.device.image.spec import Placement
from corallite.device.model.manifest import Manifest

Probabilities = np.ndarray[Any, np.dtype[np.float32]]


class Box(NamedTuple):
    """An object in an image, in pixels from its top left corner.

    Attributes:
        label: What it is.
        score: The probability of that, 0 to 1.
        left: Of the left edge.
        top: Of the upper edge.
        right: Of the right edge.
        bottom: Of the lower edge.
    """

    label: str
    score: float
    left: float
    top: float
    right: float
    bottom: float


class Detection(NamedTuple):
    """The prediction of a detector.

    Attributes:
        boxes: The most probable first.
        heatmap: float32 [rows, columns, labels], from which the boxes are; see
            `BoxesOutput`.
        probabilities: float32 [classes] of the whole image; empty if the model has
            boxes only.
    """

    boxes: tuple[Box, ...]
    heatmap: Probabilities
    probabilities: Probabilities

    @property
    def numbers(self) -> Probabilities:
        """All probabilities, float32 [classes + cells], to compare two models."""
        return np.concatenate([self.probabilities, self.heatmap.reshape(-1)])

    def in_image(self, placement: Placement) -> "Detection":
        """Returns it with boxes in pixels of the image, not of the input."""
        moved = (
            Box(box.label, box.score, *placement.to_image(*box[2:]))
            for box in self.boxes
        )
        kept = (x for x in moved if x.left < x.right and x.top < x.bottom)
        return self._replace(boxes=tuple(kept))


# Of a classifier: a probability for each label, float32 [classes].
Answer = Probabilities | Detection


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
        channel_version: See `ChannelStatus`, as the next three; "" without a channel.
        channel_latest: The number of its newest release.
        channel_state: Whether that one is in use, or why not.
        channel_reason: More about that.
        answered_by: Which of two models made the last prediction, "first" or "second";
            None with one model.
        asked: How many images each of two models has classified, by these names; None
            with one model.
        answered: For how many of them its prediction counts.
    """

    model: str
    version: str
    device: str = "cpu"
    state: str = "ready"
    losses: int = 0
    swaps: int = 0
    last_error: str = ""
    channel_version: str = ""
    channel_latest: str = ""
    channel_state: str = ""
    channel_reason: str = ""
    answered_by: str | None = None
    asked: dict[str, int] | None = None
    answered: dict[str, int] | None = None


class Engine(abc.ABC):
    """Classifies images, or finds objects in them.

    One thread at a time may use it, except for `status`.
    """

    @property
    @abc.abstractmethod
    def manifest(self) -> Manifest:
        """The manifest of the model that made the last prediction."""

    @property
    def parts(self) -> "tuple[Engine, ...]":
        """The engines that this one consists of, such as two models; or itself."""
        return (self,)

    @property
    def has_successor(self) -> bool:
        """Whether another model than that of the last prediction makes the next one."""
        return False

    @abc.abstractmethod
    def run(self, pixels_u8: Image) -> Answer:
        """Classifies uint8 RGB [height, width, 3] of the size in `preprocessing`.

        Returns:
            float32 [classes], probabilities if the manifest says so; of a detector, a
            `Detection` with boxes in pixels of the input.

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

    def classify(self, image_rgb_u8: Image) -> Answer:
        """Classifies uint8 RGB [height, width, 3] of any size.

        Returns:
            As `run`, with boxes in pixels of the image.
        """
        while True:
            try:
                answer = self.run(fit_image(image_rgb_u8, self.preprocessing))
            except OutdatedPixelsError:
                continue
            return place_boxes(answer, image_rgb_u8, self.preprocessing)


def place_boxes(answer: Answer, image: Image, preprocessing: Preprocessing) -> Answer:
    """Returns what `Engine.run` returned, with boxes in pixels of the image.

    Args:
        answer: For the fitted image.
        image: Before it was fitted.
        preprocessing: How it was fitted.
    """
    if isinstance(answer, Detection):
        return answer.in_image(preprocessing.place(image.shape[:2]))
    return answer


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
