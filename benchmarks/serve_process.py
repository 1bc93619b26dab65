"""Runs `corallite serve` in a process of its own."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

_UNIT = Path(__file__).parents[1] / "deploy" / "corallite@.service"


class Server(NamedTuple):
    """A server that listens.

    Attributes:
        port: Of 127.0.0.1.
        pid: Its process.
    """

    port: int
    pid: int


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[Server]:
    """Runs a server on a free port during the block, in the environment of the unit.

    Raises:
        RuntimeError: It ended before it listened.
    """
    command = [sys.executable, "-m", "corallite.device.cli.serve_main", "--port=0"]
    # A file, not a pipe: decoders write a line for each damaged image, and a full pipe
    # would block the server.
    with tempfile.NamedTemporaryFile("w+") as log:
        environment = {**os.environ, **_read_environment()}
        server = subprocess.Popen([*command, *arguments], stderr=log, env=environment)
        try:
            yield Server(_wait_for_port(server, log), server.pid)
        finally:
            server.terminate()
            server.wait()


def _read_environment() -> dict[str, str]:
    """Returns the variables that the unit sets.

    Those with a specifier, such as %C, are left out: only systemd knows their value.
    """
    found = re.findall(r"(?m)^Environment=(\w+)=([^%\n]*)$", _UNIT.read_text())
    return dict(found)


def _wait_for_port(server: subprocess.Popen[bytes], log: IO[str]) -> int:
    while server.poll() is None:
        log.seek(0)
        if found := re.search(r"Listening on http://.*:(\d+)/", log.read()):
            return int(found[1])
        time.sleep(0.1)
    log.seek(0)
    raise RuntimeError(f"The server did not start: {log.read()}")
