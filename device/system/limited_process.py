"""Runs a program for a limited time, and leaves nothing of it running."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from corallite.device.system.errors import RequestError

# What is looked at of an output without end.
_MOST_BYTES = 1 << 20
# Of the command that ends a container.
_END_TIMEOUT_S = 15.0
_INTERRUPTIONS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@dataclass(frozen=True)
class Ended:
    """What became of a program.

    Attributes:
        status: Its exit status; negative, the signal that ended it; None if it was
            killed because its time was up.
        text: The last of what it printed, stdout and stderr as they came.
        duration_s: How long it ran.
    """

    status: int | None
    text: str
    duration_s: float


def run_limited(
    command: Sequence[str],
    *,
    folder: Path,
    timeout_s: float,
    end_command: Sequence[str] = (),
) -> Ended:
    """Runs `command` in `folder`.

    Whatever happens, Ctrl-C included, all processes that it started are killed before
    this returns; SIGKILL, as the compiler is known to ignore less.

    Args:
        command: Program and arguments.
        folder: Where it runs; what it prints is kept there as `output.txt`.
        timeout_s: After so long it is killed.
        end_command: What ends it besides, if it runs in a container.

    Raises:
        RequestError: There is no such program, or it is for another machine.
    """
    began_s = time.monotonic()
    output = folder / "output.txt"
    with output.open("wb") as file, _deferring_interruption() as end_deferring:
        process = _start(command, folder, file.fileno())
        try:
            end_deferring()
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _kill(process, end_command if process.returncode is None else ())
    return Ended(status, _read_end(output), time.monotonic() - began_s)


def _start(
    command: Sequence[str], folder: Path, output: int
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            # A file, not a pipe: one process that escapes would hold a pipe open.
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise RequestError(
            f"{command[0]}: cannot be run here ({error.strerror}); give another "
            "--compiler, or --container_image."
        ) from error


@contextlib.contextmanager
def _deferring_interruption() -> Iterator:
    """Lets Ctrl-C wait until the yielded function is called.

    Between the start of a process and the first line that could kill it, there must be
    none.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTIONS)

    def restore() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        yield restore
    finally:
        restore()


def _kill(process: subprocess.Popen[bytes], end_command: Sequence[str]) -> None:
    """Kills the process and what it started; also what it left behind when it died."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if end_command:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                end_command, capture_output=True, timeout=_END_TIMEOUT_S, check=False
            )


def _read_end(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _MOST_BYTES))
        return file.read().decode(errors="replace")
