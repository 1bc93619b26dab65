"""Runs Python code in a process of its own, so that its crash is only a sentence."""

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

# The current folder is taken off the path: a numpy.py that lies there is not NumPy.
# A crash that is expected leaves no core file.
_PRELUDE = """
import resource, sys
if sys.path and not sys.path[0]: del sys.path[0]
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
"""
_SIGNAL_REASONS = {
    signal.SIGILL: "the CPU has not the instructions that it was compiled for",
    signal.SIGKILL: "something killed it, perhaps for lack of memory",
    signal.SIGBUS: "a file that it had open has changed or the disk fails",
}


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    Attributes:
        output: What it wrote to stdout.
        failure: Why it failed, as part of a sentence; "" if it did not.
        crashed: It was ended by a signal or had to be.
    """

    output: str = ""
    failure: str = ""
    crashed: bool = False


def try_python(
    code: str, *arguments: str, timeout_s: float, python: str = sys.executable
) -> Outcome:
    """Runs `code`.

    Args:
        code: It finds `arguments` in `sys.argv[1:]`.
        arguments: Strings for it.
        timeout_s: After so long it is killed.
        python: The interpreter.
    """
    try:
        process = subprocess.Popen(
            [python, "-c", _PRELUDE + code, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return Outcome(failure=f"{python} does not start ({error.strerror})")
    try:
        output, complaints = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        return Outcome(failure=f"no answer in {timeout_s:g} s", crashed=True)
    except BaseException:
        _kill(process)
        raise
    if process.returncode < 0:
        return Outcome(output, name_signal(-process.returncode), crashed=True)
    if process.returncode:
        return Outcome(output, _last_line(complaints))
    return Outcome(output)


def _kill(process: subprocess.Popen[str]) -> None:
    """Kills it and what it started; one that hangs in a driver may stay a while."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=1)


def name_signal(number: int) -> str:
    """Returns, as part of a sentence, that signal `number` ended a process."""
    name = signal.Signals(number).name
    reason = _SIGNAL_REASONS.get(signal.Signals(number))
    return f"crashed with {name}" + (f": {reason}" if reason else "")


def _last_line(complaints: str) -> str:
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    last = lines[-1] if lines else "it said nothing"
    return last.removeprefix("corallite: ").rstrip(".")
