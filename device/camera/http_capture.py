"""MJPEG over HTTP, as most network cameras and phones offer it.

FFmpeg reads such a stream too. But it ends at the first damaged image, it goes on
scaling every image to the size of the first, and nothing can wake it while it waits.
"""

import base64
import http.client
import socket
from urllib.parse import SplitResult, unquote, urlsplit

from corallite.device.camera.capture import (
    NETWORK_TIMEOUT_S,
    Capture,
    JpegCapture,
    open_stream,
    without_secrets,
)
from corallite.device.system.errors import RequestError

# What http.client raises on a connection that breaks or talks nonsense. ValueError:
# TLS, when `interrupt` closes it under a read.
_LOST = (OSError, http.client.HTTPException, ValueError)


class HttpCapture(JpegCapture):
    """An open MJPEG stream."""

    def __init__(
        self, connection: socket.socket, response: http.client.HTTPResponse, name: str
    ) -> None:
        """Takes over a connection and the response that has begun on it."""
        super().__init__(name)
        self._connection = connection
        self._response = response

    def receive(self) -> bytes:
        """See `JpegCapture`."""
        try:
            return self._response.read1(1 << 16)
        except _LOST as error:
            raise _lost(self.name, error) from error

    def interrupt(self) -> None:
        """See `Capture`."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # It is closed already.

    def release(self) -> None:
        """See `Capture`."""
        self._response.close()
        self._connection.close()


def open_http(url: str) -> Capture:
    """Opens the stream at an http or https URL.

    Raises:
        RequestError: Nothing answers there, or not with video.
    """
    name = without_secrets(url)
    parts = urlsplit(url)
    connection = _connect(parts)
    try:
        response, stream = _get(connection, parts)
    except _LOST as error:
        connection.close()
        raise _lost(name, error) from error
    if response.status == 200 and _is_multipart(response):
        return HttpCapture(stream, response, name)
    response.close()
    stream.close()
    if response.status >= 400 and response.status != 401:
        raise RequestError(
            f"{name}: the server answers {response.status} {response.reason}; check "
            "the address."
        )
    # A film, a redirection, or a password that is not sent in the clear.
    return open_stream(url)


def _connect(parts: SplitResult) -> http.client.HTTPConnection:
    kinds = {
        "http": http.client.HTTPConnection,
        "https": http.client.HTTPSConnection,
    }
    kind = kinds[parts.scheme.lower()]
    return kind(parts.hostname or "", parts.port, timeout=NETWORK_TIMEOUT_S)


def _get(
    connection: http.client.HTTPConnection, parts: SplitResult
) -> tuple[http.client.HTTPResponse, socket.socket]:
    connection.connect()
    # `getresponse` forgets the socket if the response goes on until it is closed.
    stream = connection.sock
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"User-Agent": "corallite"}
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        encoded = base64.b64encode(secret.encode()).decode()
        headers["Authorization"] = f"Basic {encoded}"
    connection.request("GET", path, headers=headers)
    return connection.getresponse(), stream


def _is_multipart(response: http.client.HTTPResponse) -> bool:
    return response.headers.get_content_maintype() == "multipart"


def _lost(name: str, error: Exception) -> RequestError:
    why = str(error) or type(error).__name__
    return RequestError(
        f"{name}: cannot be reached ({why}); check the address and the network."
    )
