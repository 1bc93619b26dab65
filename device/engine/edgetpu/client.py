"""Runs a model on an Edge TPU in a separate process, which may crash or hang."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from corallite.device.engine.edgetpu import protocol
from corallite.device.engine.runner import Tensor
from corallite.device.model.signature import ModelSignature
from corallite.device.system.process import isolated

_WORKER_CODE = f"""{isolated.PRELUDE}
from corallite.device.engine.edgetpu import worker
worker.main(sys.argv[1:])
"""
# A killed process that hangs in a driver takes a while to end.
_REAP_LIMIT_S = 1.0


class AcceleratorError(Exception):
    """An accelerator failed; the message is part of a sentence."""


class RemoteRunner:
    """A `Runner` in another process, which may crash or hang.

    Attributes:
        signature: The model's; without inputs and outputs before `load`.
        limit_s: Timeout of one inference, in seconds.
    """

    def __init__(self, options: dict[str, str], limit_s: float) -> None:
        """Starts the process, and does not wait for it.

        It ends at the latest when the thread that started it ends.

        Args:
            options: libedgetpu's, such as {"device": ":1"}.
            limit_s: Timeout of one inference, in seconds.

        Raises:
            OSError: The process cannot be started.
        """
        self.limit_s = limit_s
        self.signature = ModelSignature((), ())
        self._connection, theirs = socket.socketpair()
        with contextlib.ExitStack() as stack:
            stack.callback(self._connection.close)
            with theirs:
                self._process = _start_worker(theirs.fileno(), options)
            stack.pop_all()

    def load(self, content: bytes, limit_s: float) -> None:
        """Loads a compiled model.

        Args:
            content: Content of its file.
            limit_s: Timeout in seconds.

        Raises:
            AcceleratorError: It cannot be loaded, or the process crashed or hangs.
        """
        description = self._ask(protocol.MODEL, [content], limit_s)
        try:
            self.signature = ModelSignature.from_json(json.loads(description))
        except (ValueError, KeyError, TypeError) as error:
            raise AcceleratorError("its process sent no model signature") from error

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns the outputs by name; `inputs` has an array for each input.

        Raises:
            AcceleratorError: There is no response, or it has another size.
        """
        specs = self.signature.inputs
        arrays = [np.ascontiguousarray(inputs[spec.name]) for spec in specs]
        answer = self._ask(protocol.INPUTS, arrays, self.limit_s)
        try:
            return protocol.split(answer, self.signature.outputs)
        except ValueError as error:
            message = f"its process returned {len(answer)} bytes"
            raise AcceleratorError(message) from error

    def kill(self) -> None:
        """Kills the process; may be called from any thread, and repeatedly."""
        self._process.kill()

    def close(self) -> None:
        """Kills the process and releases its resources."""
        self._process.kill()
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_LIMIT_S)

    def _ask(self, kind: bytes, payloads: Sequence[Any], limit_s: float) -> bytearray:
        deadline_s = time.monotonic() + limit_s
        try:
            protocol.send(self._connection, kind, payloads, limit_s)
            left_s = max(0.0, deadline_s - time.monotonic())
            kind, answer = protocol.receive(self._connection, left_s)
        except TimeoutError as error:
            raise AcceleratorError(f"no response in {limit_s:g} s") from error
        except (EOFError, OSError) as error:
            raise AcceleratorError(self._why_gone()) from error
        if kind == protocol.FAILURE:
            raise AcceleratorError(answer.decode(errors="replace").rstrip("."))
        return answer

    def _why_gone(self) -> str:
        try:
            status = self._process.wait(_REAP_LIMIT_S)
        except subprocess.TimeoutExpired:
            return "its process has closed the connection"
        if status < 0:
            return f"its process {isolated.name_signal(-status)}"
        return f"its process ended with status {status}"


def parse_device(device: str) -> dict[str, str]:
    """Returns libedgetpu's options for "edgetpu" or "edgetpu:N".

    Raises:
        ValueError: It is neither.
    """
    name, colon, number = device.partition(":")
    if name != "edgetpu" or (colon and not (number.isascii() and number.isdigit())):
        raise ValueError(
            f"Expected `device` to be edgetpu or edgetpu:N, got {device!r}."
        )
    return {"device": f":{number}"} if colon else {}


def _start_worker(descriptor: int, options: dict[str, str]) -> subprocess.Popen[bytes]:
    arguments = [str(descriptor), str(os.getpid()), json.dumps(options)]
    # The runtime and libedgetpu log at every start, so at every attempt: as in
    # `native_log`, that is shown on request.
    is_shown = os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0"
    return subprocess.Popen(
        [sys.executable, "-c", _WORKER_CODE, *arguments],
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None if is_shown else subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C stops the loop, which then ends this process.
    )
