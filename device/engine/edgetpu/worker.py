"""The process that uses an Edge TPU: inputs in, outputs out, until its parent ends.

If libedgetpu or the driver crashes or hangs, only this process does.
"""

import json
import socket
import sys

import numpy as np

from corallite.device.engine import runtime
from corallite.device.engine.edgetpu import protocol
from corallite.device.engine.runners.litert import LiteRtRunner
from corallite.device.system.errors import RequestError
from corallite.device.system.process.parent_death import die_with_parent

# What a library, a driver or a model may raise.
_ERRORS = (RequestError, RuntimeError, ValueError, OSError)


def main(arguments: list[str]) -> None:
    """Serves the parent process, and ends when that has ended.

    Args:
        arguments: The number of a connected socket, the parent's process id, and
            libedgetpu's options as JSON.
    """
    die_with_parent(int(arguments[1]))
    with socket.socket(fileno=int(arguments[0])) as connection:
        try:
            _serve(connection, json.loads(arguments[2]))
        except (EOFError, ConnectionError):
            sys.exit()  # The parent has ended.


def _serve(connection: socket.socket, options: dict[str, str]) -> None:
    _, content = protocol.receive(connection)
    try:
        runner = LiteRtRunner(runtime.load_on_edgetpu(bytes(content), options))
    except _ERRORS as error:
        _send_failure(connection, error)
        return
    signature = runner.signature
    description = json.dumps(signature.to_json()).encode()
    protocol.send(connection, protocol.READY, [description])
    while True:
        _, payload = protocol.receive(connection)
        try:
            outputs = runner.run(protocol.split(payload, signature.inputs))
        except _ERRORS as error:
            _send_failure(connection, error)
            return
        answers = [np.ascontiguousarray(outputs[x.name]) for x in signature.outputs]
        protocol.send(connection, protocol.OUTPUTS, answers)


def _send_failure(connection: socket.socket, error: Exception) -> None:
    sentence = " ".join(str(error).split()) or type(error).__name__
    protocol.send(connection, protocol.FAILURE, [sentence.encode()])
