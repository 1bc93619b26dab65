"""The process that holds an Edge TPU: pixels in, answers out, until nobody asks.

What it does may crash or hang in libedgetpu or in the driver; then only it does. It
imports NumPy and the TFLite runtime, and nothing else that takes time.
"""

import json
import socket
import sys
from typing import Any

import numpy as np

from corallite.device.engine import runtime as interpreter_module
from corallite.device.engine.edgetpu import protocol
from corallite.device.system.errors import RequestError
from corallite.device.system.parent_death import die_with_parent

# Whatever a library, a driver or a model can bring on without crashing.
_ERRORS = (RequestError, RuntimeError, ValueError, OSError)


def main(arguments: list[str]) -> None:
    """Serves the process that started this one, and ends when that is gone.

    Args:
        arguments: The number of a connected socket, that process's id, and
            libedgetpu's options as JSON.
    """
    die_with_parent(int(arguments[1]))
    with socket.socket(fileno=int(arguments[0])) as connection:
        try:
            _serve(connection, json.loads(arguments[2]))
        except (EOFError, ConnectionError):
            sys.exit()  # Nobody is there any more.


def _serve(connection: socket.socket, options: dict[str, str]) -> None:
    _, content = protocol.receive(connection)
    try:
        interpreter = interpreter_module.load_on_edgetpu(bytes(content), options)
    except _ERRORS as error:
        _send_failure(connection, error)
        return
    doors = [interpreter.get_input_details(), interpreter.get_output_details()]
    description = json.dumps([[_describe(door) for door in side] for side in doors])
    protocol.send(connection, protocol.READY, description.encode())
    # With more of them, the other side refuses the model.
    source, target = doors[0][0], doors[1][0]
    while True:
        _, payload = protocol.receive(connection)
        pixels = np.frombuffer(payload, source["dtype"]).reshape(source["shape"])
        try:
            interpreter.set_tensor(source["index"], pixels)
            interpreter.invoke()
        except _ERRORS as error:
            _send_failure(connection, error)
            return
        answer = interpreter.get_tensor(target["index"])
        protocol.send(connection, protocol.ANSWER, np.ascontiguousarray(answer))


def _describe(detail: dict[str, Any]) -> dict[str, Any]:
    """Returns what `Classifier` looks at, for JSON."""
    scale, zero_point = detail["quantization"]
    return {
        "name": detail["name"],
        "index": int(detail["index"]),
        "shape": [int(size) for size in detail["shape"]],
        "dtype": np.dtype(detail["dtype"]).name,
        "quantization": [float(scale), int(zero_point)],
    }


def _send_failure(connection: socket.socket, error: Exception) -> None:
    sentence = " ".join(str(error).split()) or type(error).__name__
    protocol.send(connection, protocol.FAILURE, sentence.encode())
