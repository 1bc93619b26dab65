"""One engine for several threads, each in its turn."""

import threading
from types import TracebackType

import numpy as np
import numpy.typing as npt

from corallite.device.engine.base import Engine, OutdatedPixelsError, Status
from corallite.device.image.preprocess import Image, Preprocessing
from corallite.device.model.manifest import Manifest


class FairLock:
    """A lock that is given in the order in which it was asked for.

    With `threading.Lock`, a loop that lets go of it and takes it again at once would
    keep everybody else waiting.
    """

    def __init__(self) -> None:
        """Is free."""
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


class Share:
    """One thread's share of an engine; an `Engine` itself.

    What it says of the model holds for the last answer it gave, whatever another
    share has brought about since: a model that was replaced has other labels.
    """

    def __init__(self, engine: Engine, turn: FairLock) -> None:
        """Uses `engine` while it holds `turn`, as all shares of it must."""
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
            OutdatedPixelsError: Whoever had the turn since `renew` brought a model that
                wants others.
        """
        with self._turn:
            if self._engine.preprocessing != self.preprocessing:
                raise OutdatedPixelsError
            probabilities = self._engine.run(pixels_u8)
            self.manifest = self._engine.manifest
        return probabilities

    def renew(self) -> None:
        """Lets a new model take over, if one waits."""
        with self._turn:
            self._engine.renew()
            self.manifest = self._engine.manifest

    def status(self) -> Status:
        """Tells how the engine is; may be called from any thread."""
        return self._engine.status()

    def close(self) -> None:
        """Does nothing: the engine is closed by whoever opened it."""
