"""MJPEG over HTTP, which most network cameras and phones offer.

FFmpeg can read such a stream, but ends at the first damaged image, scales all images to
the size of the first, and cannot be interrupted while it waits.
"""

import base64
import http.client
import socket
from urllib.parse import SplitResult, unquote, urlsplit

from corallite.device.camera import capture
from corallite.device.system.errors import RequestError

# What http.client raises if the connection breaks or the response is not HTTP.
# ValueError: TLS, when `interrupt` closes the connection during a read.
_CONNECTION_ERRORS = (OSError, http.client.HTTPException, ValueError)


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
        except _CONNECTION_ERRORS as error:
            raise _unreachable(self.name, error) from error

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


def open_http(url: str) -> capture.Capture:
    """Opens the stream at an http or https URL.

    Raises:
        RequestError: The server does not answer, or does not send video.
    """
    name = capture.without_secrets(url)
    parts = urlsplit(url)
    connection = _connect(parts)
    try:
        response, stream = _get(connection, parts)
    except _CONNECTION_ERRORS as error:
        connection.close()
        raise _unreachable(name, error) from error
    is_multipart = response.headers.get_content_maintype() == "multipart"
    if response.status == 200 and is_multipart:
        return HttpCapture(stream, response, name)
    response.close()
    stream.close()
    if response.status >= 400 and response.status != 401:
        raise RequestError(
            f"{name}: the server answers {response.status} {response.reason}; check "
            "the address."
        )
    # FFmpeg handles video files, redirections, and passwords with digest access.
    return capture.open_stream(url)


def _connect(parts: SplitResult) -> http.client.HTTPConnection:
    is_tls = parts.scheme.lower() == "https"
    kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=capture.NETWORK_TIMEOUT_S)


def _get(
    connection: http.client.HTTPConnection, parts: SplitResult
) -> tuple[http.client.HTTPResponse, socket.socket]:
    connection.connect()
    # Kept here: `getresponse` forgets the socket of a response without a length.
    stream = connection.sock
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"User-Agent": "corallite"}
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        encoded = base64.b64encode(secret.encode()).decode()
        headers["Authorization"] = f"Basic {encoded}"
    connection.request("GET", path, headers=headers)
    return connection.getresponse(), stream


def _unreachable(name: str, error: Exception) -> RequestError:
    why = str(error) or type(error).__name__
    return RequestError(
        f"{name}: cannot be reached ({why}); check the address and the network."
    )
