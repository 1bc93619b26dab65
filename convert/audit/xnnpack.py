"""Asks the TFLite runtime which operators XNNPACK, its fast CPU delegate, takes over.

In another process: the runtime trusts the files that it reads, and one that is damaged
in a way that no check here sees may end it.
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
# More is not tried. The runtime itself, its libraries loaded, gets by with the second.
_MOST_ACTIVATION_BYTES = 1 << 30
_ROOM_BYTES = 100 << 20
# Fewer threads, less memory.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Partitions:
    """What XNNPACK makes of a model.

    Attributes:
        count: Pieces of the graph that it takes over; None if that is not known.
        outside: Numbers of the operators that it leaves to the slower kernels.
        error: Why nothing is known; "" if it is.
    """

    count: int | None
    outside: tuple[int, ...] = ()
    error: str = ""


class Probe:
    """A process that loads a model, while other things can be done."""

    def __init__(self, path: Path, activation_bytes: int) -> None:
        """Starts it, unless the model is too large.

        Args:
            path: A `.tflite` file.
            activation_bytes: What it needs for activations.
        """
        self._process: subprocess.Popen[bytes] | None = None
        if activation_bytes > _MOST_ACTIVATION_BYTES:
            return
        room = _ROOM_BYTES + 4 * path.stat().st_size + 2 * activation_bytes
        self._process = subprocess.Popen(
            [sys.executable, "-m", _PROBE, os.fspath(path.absolute()), str(room)],
            # Not where the user is: a json.py there would be imported.
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
        """Waits for the answer."""
        if self._process is None:
            return Partitions(None, error="its activations are too large to try")
        try:
            output, _ = self._process.communicate(timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return Partitions(None, error=f"no answer in {_TIMEOUT_S:.0f} s")
        status = self._process.returncode
        if status < 0:
            name = signal.Signals(-status).name
            return Partitions(None, error=f"the TFLite runtime crashed ({name})")
        try:
            answer = json.loads(output)
            return Partitions(
                answer["count"], tuple(answer["outside"]), answer["error"]
            )
        except (ValueError, KeyError, TypeError):
            return Partitions(None, error=f"the TFLite runtime exited with {status}")
