"""The newest picture, again and again, for as long as somebody looks."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

from fastapi.responses import StreamingResponse

from corallite.device.serve.live.camera import Camera
from corallite.device.serve.live.picture import Pictures
from corallite.device.serve.refusal import Limits, busy

BOUNDARY = "corallite"
MEDIA_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
_MIN_INTERVAL_S = 1 / 15
# How often to look for a newer picture: what that may add to its age.
_TICK_S = 0.02
# A browser shows the first picture with the second, and proxies cut a silent stream.
_REPEAT_S = 1.0


class Streams:
    """The clients of the video stream.

    Attributes:
        clients: How many there are.
    """

    def __init__(self, camera: Camera, limits: Limits, stop: threading.Event) -> None:
        """Has no clients; `stop` ends their streams."""
        self.clients = 0
        self._camera = camera
        self._pictures = Pictures()
        self._limits = limits
        self._stop = stop

    def open(self) -> StreamingResponse:
        """Returns the answer to one more client.

        Raises:
            Refusal: There are too many.
        """
        if self.clients >= self._limits.streams:
            raise busy(f"{self.clients} clients look already; try again in a second.")
        self.clients += 1
        return _CountedResponse(self)

    def leave(self) -> None:
        """Notes that a client has gone."""
        self.clients -= 1

    async def parts(self) -> AsyncIterator[bytes]:
        """Yields the stream. Whoever takes it slowly gets fewer pictures of it."""
        # Browsers show a picture when the boundary after it has come, so that goes
        # along at once, and not with the next picture.
        yield f"--{BOUNDARY}\r\n".encode()
        shown, shown_s = None, 0.0
        while not self._stop.is_set():
            sight = self._camera.newest
            is_shown = time.monotonic() - shown_s < _REPEAT_S and sight is shown
            if sight is None or is_shown:
                await asyncio.sleep(_TICK_S)
                continue
            start_s = time.monotonic()
            jpeg = await asyncio.to_thread(self._pictures.encode, sight)
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            yield head.encode() + jpeg + f"\r\n--{BOUNDARY}\r\n".encode()
            shown, shown_s = sight, start_s
            await asyncio.sleep(max(0.0, start_s + _MIN_INTERVAL_S - time.monotonic()))


class _CountedResponse(StreamingResponse):
    """A stream that says when it ends, even if nobody ever took from it."""

    def __init__(self, streams: Streams) -> None:
        super().__init__(streams.parts(), media_type=MEDIA_TYPE)
        self._streams = streams

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.leave()
