"""The MJPEG video stream: the newest frame, again and again."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

from fastapi.responses import StreamingResponse

from corallite.device.serve.guard.refusal import Limits, busy
from corallite.device.serve.live.camera import Camera
from corallite.device.serve.live.picture import Pictures

BOUNDARY = "corallite"
MEDIA_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
_MIN_INTERVAL_S = 1 / 15
# How often to check for a newer frame; adds at most this much to its age.
_TICK_S = 0.02
# Proxies close a stream that sends nothing.
_REPEAT_S = 1.0


class Streams:
    """The clients of the video stream.

    Attributes:
        clients: Their number.
    """

    def __init__(self, camera: Camera, limits: Limits, stop: threading.Event) -> None:
        """Starts without clients; `stop` ends all streams."""
        self.clients = 0
        self._camera = camera
        self._pictures = Pictures(camera.counter)
        self._limits = limits
        self._stop = stop

    def open(self) -> StreamingResponse:
        """Returns the response for one more client.

        Raises:
            Refusal: There are too many clients.
        """
        if self.clients >= self._limits.streams:
            raise busy(
                f"The stream has {self.clients} clients already; try again in a second."
            )
        self.clients += 1
        return _CountedResponse(self)

    def leave(self) -> None:
        """Removes a client."""
        self.clients -= 1

    async def parts(self) -> AsyncIterator[bytes]:
        """Yields the stream; a slow client gets fewer frames."""
        # Browsers show a picture when the boundary after it arrives, so the boundary
        # is sent with the picture, not with the next one.
        yield f"--{BOUNDARY}\r\n".encode()
        shown, shown_s = None, 0.0
        while not self._stop.is_set():
            snapshot = self._camera.newest
            is_shown = time.monotonic() - shown_s < _REPEAT_S and snapshot is shown
            if snapshot is None or is_shown:
                await asyncio.sleep(_TICK_S)
                continue
            start_s = time.monotonic()
            jpeg = await asyncio.to_thread(self._pictures.encode, snapshot)
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            yield head.encode() + jpeg + f"\r\n--{BOUNDARY}\r\n".encode()
            shown, shown_s = snapshot, start_s
            await asyncio.sleep(max(0.0, start_s + _MIN_INTERVAL_S - time.monotonic()))


class _CountedResponse(StreamingResponse):
    """Calls `leave` at the end, even if the client never read the stream."""

    def __init__(self, streams: Streams) -> None:
        super().__init__(streams.parts(), media_type=MEDIA_TYPE)
        self._streams = streams

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.leave()
