"""Messages between an engine and its Edge TPU's process, over a socket."""

import math
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from corallite.device.engine.runner import Tensor
from corallite.device.model.signature import TensorSpec

MODEL = b"M"  # From the engine, once and first: content of a model file.
READY = b"R"  # The response: the model's signature, as JSON.
INPUTS = b"I"  # From the engine: the bytes of each input, in order.
OUTPUTS = b"O"  # The response: the bytes of each output, in order.
FAILURE = b"F"  # The response if either fails: the reason, in UTF-8.

_HEADER = struct.Struct("=cQ")
# Maximum payload in bytes: no model is larger.
_MOST = 2**31


def send(
    connection: socket.socket,
    kind: bytes,
    payloads: Sequence[Any],
    limit_s: float | None = None,
) -> None:
    """Sends a message.

    Args:
        connection: A connected stream.
        kind: One of the above.
        payloads: Contiguous bytes of any type, sent one after the other.
        limit_s: Timeout in seconds; None: none.

    Raises:
        OSError: The other process has ended, or (TimeoutError) does not read.
    """
    connection.settimeout(limit_s)
    views = [memoryview(payload).cast("B") for payload in payloads]
    connection.sendall(_HEADER.pack(kind, sum(map(len, views))))
    for view in views:
        connection.sendall(view)


def split(content: bytes | bytearray, specs: Sequence[TensorSpec]) -> dict[str, Tensor]:
    """Returns the arrays by name, whose bytes follow each other in `content`.

    Raises:
        ValueError: There are more or fewer bytes.
    """
    arrays, start = {}, 0
    for spec in specs:
        array = np.frombuffer(content, spec.dtype, math.prod(spec.shape), start)
        arrays[spec.name] = array.reshape(spec.shape)
        start += array.nbytes
    if start != len(content):
        raise ValueError(f"Expected {start} bytes, got {len(content)}.")
    return arrays


def receive(
    connection: socket.socket, limit_s: float | None = None
) -> tuple[bytes, bytearray]:
    """Waits for a message; returns its kind and payload.

    Raises:
        EOFError: The other process has ended.
        OSError: The same, or (TimeoutError) no message in `limit_s` seconds, or a
            message that is too long.
    """
    deadline_s = None if limit_s is None else time.monotonic() + limit_s
    header = _receive_exactly(connection, _HEADER.size, deadline_s)
    kind, length = _HEADER.unpack(header)
    if length > _MOST:
        raise ConnectionError(f"{length} bytes are too many for a message.")
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
            raise EOFError("The other process has ended.")
        view = view[count:]
    return content
