"""MJPEG and snapshots over HTTP, which most network cameras and phones offer.

FFmpeg can read MJPEG, but ends at the first damaged image, scales all images to the
size of the first, and cannot be interrupted while it waits.
"""

import http.client
import socket
import threading
import time

from corallite.device.camera import capture
from corallite.device.camera.http_client import (
    CONNECTION_ERRORS,
    HttpClient,
    close,
    unreachable,
)
from corallite.device.image.header import is_known_kind
from corallite.device.image.preprocess import Image, decode_image
from corallite.device.system.errors import RequestError
from corallite.device.system.url import Url

# Snapshots per second without --max_fps: many cameras take half a second for one.
SNAPSHOT_FPS = 2.0
_MOST_BYTES = capture.MOST_IMAGE_BYTES
# WebP is known by its first 12 bytes.
_HEAD_BYTES = 12


class HttpCapture(capture.JpegCapture):
    """An open MJPEG stream."""

    def __init__(
        self, connection: socket.socket, response: http.client.HTTPResponse, name: str
    ) -> None:
        """Takes ownership of a connection and its response, which has begun."""
        super().__init__(name)
        self._connection = connection
        self._response = response

    def receive(self) -> bytes:
        """See `JpegCapture`."""
        try:
            return self._response.read1(1 << 16)
        except CONNECTION_ERRORS as error:
            raise unreachable(self.name, error) from error

    def interrupt(self) -> None:
        """See `Capture`."""
        _shut_down(self._connection)

    def release(self) -> None:
        """See `Capture`."""
        close(self._response, self._connection)


class SnapshotCapture(capture.Capture):
    """A URL that gives one image per request, requested again and again."""

    def __init__(
        self,
        client: HttpClient,
        response: http.client.HTTPResponse,
        connection: socket.socket,
        interval_s: float,
    ) -> None:
        """Takes ownership of the first response; requests others with `client`.

        Args:
            client: For the camera's URL.
            response: Has begun.
            connection: Of the response.
            interval_s: From one request to the next, in seconds.
        """
        super().__init__(client.url.name)
        self._client = client
        self._response: http.client.HTTPResponse | None = response
        self._connection = connection
        self._interval_s = interval_s
        self._due_s = time.monotonic() + interval_s
        self._interrupted = threading.Event()
        self._image = b""

    def grab(self) -> bool:
        """See `Capture`; waits until the next request is due."""
        self._image = b""  # Not kept while the next one arrives.
        if self._response is None:
            if self._interrupted.wait(max(0.0, self._due_s - time.monotonic())):
                return False
            self._due_s = time.monotonic() + self._interval_s
            self._response, self._connection = self._client.get()
        try:
            self._image = self._response.read(_MOST_BYTES + 1)
        except CONNECTION_ERRORS as error:
            raise unreachable(self.name, error) from error
        finally:
            self.release()
        if len(self._image) > _MOST_BYTES:
            raise RequestError(
                f"{self.name}: sent more than {_MOST_BYTES // 2**20} MiB for an image; "
                "give the URL of a snapshot or of an MJPEG stream."
            )
        return not self._interrupted.is_set()

    def retrieve(self) -> Image:
        """See `Capture`."""
        # Other formats are for files: some need a process of their own.
        if self._image and not is_known_kind(self._image):
            raise RequestError(
                f"{self.name}: did not send a JPEG, PNG or WebP image; set the camera "
                "to JPEG."
            )
        return decode_image(self._image, self.name)

    def interrupt(self) -> None:
        """See `Capture`."""
        self._interrupted.set()
        _shut_down(self._connection)

    def release(self) -> None:
        """See `Capture`."""
        if self._response is not None:
            close(self._response, self._connection)
            self._response = None


def open_http(url: Url, snapshot_fps: float = SNAPSHOT_FPS) -> capture.Capture:
    """Opens the stream or the snapshot at an http or https URL.

    Args:
        url: Its user and password are sent only if the server asks for them.
        snapshot_fps: How often a URL that gives one image is requested, per second.

    Raises:
        RequestError: The server does not answer, or does not send video.
    """
    client = HttpClient(url, capture.NETWORK_TIMEOUT_S)
    response, stream = client.get()
    if response.headers.get_content_maintype() == "multipart":
        return HttpCapture(stream, response, client.url.name)
    if _is_image(response):
        return SnapshotCapture(client, response, stream, 1 / snapshot_fps)
    close(response, stream)
    # FFmpeg handles video files.
    return capture.open_stream(client.url)


def _is_image(response: http.client.HTTPResponse) -> bool:
    """Returns whether the body is one image, by its type or by its first bytes."""
    if response.headers.get_content_maintype() == "image":
        return True
    # Without a length, it may be a stream of images.
    if response.length is None:
        return False
    try:
        return is_known_kind(response.peek(_HEAD_BYTES)[:_HEAD_BYTES])
    except CONNECTION_ERRORS:
        return False  # FFmpeg tries again.


def _shut_down(connection: socket.socket) -> None:
    """Ends a read in another thread."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # It is closed already.
