"""Finds which operators XNNPACK, the TFLite runtime's CPU delegate, runs.

The runtime loads the file in a separate process, because it may crash on a damaged file
that passed our checks.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# A 20 MB model takes one second; a busy Raspberry Pi may take many.
_TIMEOUT_S = 60.0
_PROBE = "corallite.convert.audit.xnnpack_probe"
# The most that is tried, and what the runtime and its libraries need themselves.
_MOST_ACTIVATION_BYTES = 1 << 30
_ROOM_BYTES = 100 << 20
# Fewer threads take less memory.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Partitions:
    """The subgraphs of a model that XNNPACK runs.

    Attributes:
        count: How many there are; None if that is unknown.
        outside: Numbers of the operators that run on TFLite's slower kernels.
        error: Why it is unknown; "" if it is known.
    """

    count: int | None
    outside: tuple[int, ...] = ()
    error: str = ""


class Probe:
    """A process that loads a model in the background."""

    def __init__(self, path: Path, activation_bytes: int) -> None:
        """Starts it, unless the model is too large.

        Args:
            path: A `.tflite` file.
            activation_bytes: Memory of its activations.
        """
        self._process: subprocess.Popen[bytes] | None = None
        if activation_bytes > _MOST_ACTIVATION_BYTES:
            return
        room = _ROOM_BYTES + 4 * path.stat().st_size + 2 * activation_bytes
        self._process = subprocess.Popen(
            [sys.executable, "-m", _PROBE, os.fspath(path.absolute()), str(room)],
            # In the current folder, a json.py would be imported.
            cwd=path.absolute().anchor,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_ENVIRONMENT},
        )

    def __enter__(self) -> "Probe":
        return self

    def __exit__(self, *error: object) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()

    def send_signal(self, number: int) -> None:
        """Sends the process a signal."""
        if self._process:
            self._process.send_signal(number)

    def result(self) -> Partitions:
        """Waits for the result."""
        if self._process is None:
            return Partitions(None, error="its activations are too large to try")
        try:
            output, _ = self._process.communicate(timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return Partitions(None, error=f"no result within {_TIMEOUT_S:.0f} s")
        status = self._process.returncode
        if status < 0:
            name = signal.Signals(-status).name
            return Partitions(None, error=f"the TFLite runtime crashed ({name})")
        try:
            found = json.loads(output)
            return Partitions(found["count"], tuple(found["outside"]), found["error"])
        except (ValueError, KeyError, TypeError):
            return Partitions(None, error=f"the TFLite runtime exited with {status}")
