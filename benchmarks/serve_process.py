"""`corallite serve` in a process of its own, on 127.0.0.1."""

import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import IO


@contextlib.contextmanager
def serving(model: str) -> Iterator[int]:
    """Serves a model on any free port; yields the port.

    Raises:
        RuntimeError: The server does not start.
    """
    command = [sys.executable, "-m", "corallite.device.cli.serve_main", "--port=0"]
    # A file, not a pipe: decoders write a line for each damaged image, and a full pipe
    # would block the server.
    with tempfile.NamedTemporaryFile("w+") as log:
        server = subprocess.Popen([*command, f"--model={model}"], stderr=log)
        try:
            yield _wait_for_port(server, log)
        finally:
            server.terminate()
            server.wait()


def _wait_for_port(server: subprocess.Popen[bytes], log: IO[str]) -> int:
    while server.poll() is None:
        log.seek(0)
        if found := re.search(r"Listening on http://.*:(\d+)/", log.read()):
            return int(found[1])
        time.sleep(0.1)
    log.seek(0)
    raise RuntimeError(f"The server did not start: {log.read()}")
