"""Shares one engine between threads, one call at a time."""

import threading

from corallite.device.engine import base
from corallite.device.image.preprocess import Image
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

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._served_ticket += 1
            self._changed.notify_all()


class EngineHandle(base.Engine):
    """One thread's access to an engine that several threads use.

    Its manifest is that of its own last prediction: after a call by another thread, the
    engine may already have another model, with other labels.
    """

    def __init__(self, engine: base.Engine, turn: FairLock) -> None:
        """Uses `engine` while it holds `turn`, as all handles of it must."""
        self._engine = engine
        self._turn = turn
        self._manifest = engine.manifest

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model that made the last prediction."""
        return self._manifest

    @property
    def has_successor(self) -> bool:
        """Whether another model than that of the last prediction makes the next one.

        It may have taken over already, for another thread.
        """
        return self._engine.has_successor or self._engine.manifest is not self._manifest

    def run(self, pixels_u8: Image) -> base.Answer:
        """Classifies uint8 RGB [height, width, 3] of the input's size.

        Raises:
            OutdatedPixelsError: The model was replaced, maybe during a call by another
                thread, and needs another size or crop.
        """
        with self._turn:
            before, self._manifest = self._manifest, self._engine.manifest
            if self.preprocessing != before.preprocessing:
                raise base.OutdatedPixelsError
            try:
                return self._engine.run(pixels_u8)
            finally:
                self._manifest = self._engine.manifest

    def status(self) -> base.Status:
        """Returns the engine's state; may be called from any thread."""
        return self._engine.status()
