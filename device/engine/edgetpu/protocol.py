"""Messages between the loop and its accelerator's process, over a socket."""

import socket
import struct
import time
from typing import Any

MODEL = b"M"  # The loop's: content of a model file. Once, first of all.
READY = b"R"  # The answer: JSON that describes the input and the output.
PIXELS = b"P"  # The loop's: the bytes of an input.
ANSWER = b"A"  # The answer: the bytes of its output.
FAILURE = b"F"  # The answer to either, if it fails: why, in UTF-8.

_HEADER = struct.Struct("=cQ")
# Of a payload, in bytes: no model is so long.
_MOST = 2**31


def send(
    connection: socket.socket, kind: bytes, payload: Any, limit_s: float | None = None
) -> None:
    """Sends a message.

    Args:
        connection: A connected stream.
        kind: One of the above.
        payload: Any contiguous bytes.
        limit_s: Seconds it may take; None: for ever.

    Raises:
        OSError: The other side is gone, or (TimeoutError) takes nothing.
    """
    connection.settimeout(limit_s)
    view = memoryview(payload).cast("B")
    connection.sendall(_HEADER.pack(kind, len(view)))
    connection.sendall(view)


def receive(
    connection: socket.socket, limit_s: float | None = None
) -> tuple[bytes, bytearray]:
    """Waits for a message; returns its kind and payload.

    Raises:
        EOFError: The other side is gone.
        OSError: It is gone, (TimeoutError) says nothing for `limit_s` seconds, or
            announces more than fits.
    """
    deadline_s = None if limit_s is None else time.monotonic() + limit_s
    header = _receive_exactly(connection, _HEADER.size, deadline_s)
    kind, length = _HEADER.unpack(header)
    if length > _MOST:
        raise ConnectionError(f"A message of {length} bytes is none.")
    return kind, _receive_exactly(connection, length, deadline_s)


def _receive_exactly(
    connection: socket.socket, length: int, deadline_s: float | None
) -> bytearray:
    content = bytearray(length)
    view = memoryview(content)
    while view:
        if deadline_s is not None:
            # 0 would mean not to wait, and raise another error.
            connection.settimeout(max(deadline_s - time.monotonic(), 1e-6))
        count = connection.recv_into(view)
        if not count:
            raise EOFError("The other side is gone.")
        view = view[count:]
    return content
