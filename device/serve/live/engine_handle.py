"""Shares one engine between threads, one call at a time."""

import threading
from types import TracebackType

import numpy as np
import numpy.typing as npt

from corallite.device.engine.base import Engine, OutdatedPixelsError, Status
from corallite.device.image.preprocess import Image, Preprocessing
from corallite.device.model.manifest import Manifest


class FairLock:
    """A lock that threads get in the order of their requests.

    With `threading.Lock`, a loop that releases it and acquires it again at once would
    starve the other threads.
    """

    def __init__(self) -> None:
        """Starts unlocked."""
        self._changed = threading.Condition()
        self._next_ticket = 0
        self._served_ticket = 0

    def __enter__(self) -> None:
        with self._changed:
            ticket = self._next_ticket
            self._next_ticket += 1
            self._changed.wait_for(lambda: self._served_ticket == ticket)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._served_ticket += 1
            self._changed.notify_all()


class EngineHandle:
    """One thread's handle of a shared engine; an `Engine` itself.

    Its manifest is that of its own last prediction: calls through another handle may
    have replaced the model since, by one with other labels.
    """

    def __init__(self, engine: Engine, turn: FairLock) -> None:
        """Calls `engine` only while it holds `turn`, which all handles share."""
        self._engine = engine
        self._turn = turn
        self.manifest: Manifest = engine.manifest

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each output, in order."""
        return self.manifest.labels

    @property
    def preprocessing(self) -> Preprocessing:
        """How `classify` brings an image to the input's size."""
        return self.manifest.preprocessing

    def classify(self, image_rgb_u8: Image) -> npt.NDArray[np.float32]:
        """Classifies uint8 RGB [height, width, 3] of any size: float32 [classes]."""
        with self._turn:
            probabilities = self._engine.classify(image_rgb_u8)
            self.manifest = self._engine.manifest
        return probabilities

    def run(self, pixels_u8: Image) -> npt.NDArray[np.float32]:
        """Classifies uint8 RGB [height, width, 3] of the input's size.

        Raises:
            OutdatedPixelsError: Since `renew`, another handle has replaced the model by
                one that needs other pixels.
        """
        with self._turn:
            if self._engine.preprocessing != self.preprocessing:
                raise OutdatedPixelsError
            probabilities = self._engine.run(pixels_u8)
            self.manifest = self._engine.manifest
        return probabilities

    def renew(self) -> None:
        """Switches to a new model, if one is ready."""
        with self._turn:
            self._engine.renew()
            self.manifest = self._engine.manifest

    def status(self) -> Status:
        """Returns the engine's status; may be called from any thread."""
        return self._engine.status()

    def close(self) -> None:
        """Does nothing: the engine is closed where it was opened."""
