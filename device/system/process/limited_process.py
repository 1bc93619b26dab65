"""Runs a program for a limited time and leaves no process of it running."""

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corallite.device.system.errors import RequestError

# Longer output is read from its end only.
_MOST_BYTES = 1 << 20
# Timeout of the command that ends a container.
_END_TIMEOUT_S = 15.0
_POLL_S = 0.01
_INTERRUPTIONS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes:
        status: Its exit status; negative, the signal that ended it; None if it was
            killed here.
        text: The end of its output, stdout and stderr in order.
        duration_s: How long it ran.
        stdout: The end of its stdout, if that was kept apart; then `text` is stderr.
    """

    status: int | None
    text: str
    duration_s: float
    stdout: str = ""


def run_limited(
    command: Sequence[str],
    *,
    folder: Path,
    timeout_s: float,
    remedy: str,
    end_command: Sequence[str] = (),
    keeps_apart: bool = False,
) -> Ended:
    """Runs `command` in `folder`.

    All processes that it started have ended when this returns or raises, also after
    Ctrl-C or SIGTERM. They are ended by SIGKILL, because the Edge TPU compiler ignores
    other signals.

    Args:
        command: Program and arguments.
        folder: Where it runs; its output is kept there as `output.txt`.
        timeout_s: Timeout in seconds, after which it is killed.
        remedy: What to do if there is no such program, a sentence.
        end_command: An additional command that ends it, if it runs in a container.
        keeps_apart: Whether stdout is kept apart from stderr.

    Raises:
        RequestError: There is no such program, or it is for another machine.
    """
    began_s = time.monotonic()
    output, stdout = folder / "output.txt", folder / "stdout.txt"
    with (
        output.open("wb") as file,
        stdout.open("wb") if keeps_apart else contextlib.nullcontext(file) as results,
        _interruptions_blocked() as interruptions,
    ):
        process = _start(command, folder, (results.fileno(), file.fileno()), remedy)
        try:
            # A signal that arrives stays pending until the process has ended.
            while process.poll() is None and not interruptions & signal.sigpending():
                if time.monotonic() - began_s > timeout_s:
                    break
                time.sleep(_POLL_S)
        finally:
            status = process.poll()
            end_group(process)
            # A container outlives the command that started it if that is killed.
            if end_command and (status is None or status < 0):
                _run_end_command(end_command)
    duration_s = time.monotonic() - began_s
    apart = _read_end(stdout) if keeps_apart else ""
    return Ended(status, _read_end(output), duration_s, apart)


def end_group(process: subprocess.Popen[Any], limit_s: float = math.inf) -> None:
    """Kills a process and its process group, and waits until all of them have ended.

    The wait matters: a killed process ends when it is next scheduled, which on a busy
    machine may be long after its parent has ended.

    Args:
        process: Started with `start_new_session`; it may have ended already.
        limit_s: Return after this time even if one of them hangs in a driver.
    """
    deadline_s = time.monotonic() + limit_s
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    while process.poll() is None or _is_running(process.pid):
        if time.monotonic() > deadline_s:
            return
        time.sleep(_POLL_S)


def _is_running(group: int) -> bool:
    """Returns whether a process of the group has not ended; a zombie has."""
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return sys.platform != "linux" or any(
        member_of == group and (state, threads) != ("Z", 1)
        for state, member_of, threads in _list_processes()
    )


def _list_processes() -> Iterator[tuple[str, int, int]]:
    """Yields the state, the process group and the threads of each process."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            text = Path("/proc", name, "stat").read_text(errors="replace")
            fields = text.rpartition(")")[2].split()
            yield fields[0], int(fields[2]), int(fields[17])


def _start(
    command: Sequence[str], folder: Path, outputs: tuple[int, int], remedy: str
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            # A file, not a pipe: one process that escapes would hold a pipe open.
            stdout=outputs[0],
            stderr=outputs[1],
            start_new_session=True,
        )
    except OSError as error:
        raise RequestError(
            f"{command[0]}: cannot be run here ({error.strerror}). {remedy}"
        ) from error


@contextlib.contextmanager
def _interruptions_blocked() -> Iterator[set[signal.Signals]]:
    """Blocks the signals that stop a program until the block ends.

    Yields:
        Those that are not ignored; nohup ignores SIGHUP.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTIONS)
    try:
        yield {n for n in _INTERRUPTIONS if signal.getsignal(n) != signal.SIG_IGN}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run_end_command(command: Sequence[str]) -> None:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            command, capture_output=True, timeout=_END_TIMEOUT_S, check=False
        )


def _read_end(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _MOST_BYTES))
        return file.read().decode(errors="replace")
