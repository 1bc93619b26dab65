"""Encodes the pictures of the live page."""

import threading

from corallite.device.loop.count.counter import BoxCounter
from corallite.device.outputs.drawing import draw_result
from corallite.device.serve.live.camera import Snapshot


class Pictures:
    """Encodes each snapshot once for all clients."""

    def __init__(self, counter: BoxCounter | None = None) -> None:
        """Starts without a picture; `counter` has what to draw on each."""
        self._counter = counter
        self._number_of: dict[str, int] = {}
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._jpeg = b""

    def encode(self, snapshot: Snapshot) -> bytes:
        """Returns `snapshot` as JPEG; may be called from any thread."""
        with self._lock:
            if snapshot is not self._snapshot:
                self._jpeg = draw_result(
                    *(snapshot.image_rgb_u8, snapshot.result),
                    *(self._counter, self._number_of),
                )
                self._snapshot = snapshot
            return self._jpeg
