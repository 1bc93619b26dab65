"""Runs Python code in a separate process, so that a crash becomes an error message."""

import contextlib
import signal
import subprocess
import sys
from dataclasses import dataclass

from corallite.device.system.process.limited_process import end_group

# Without the current folder in the path: a numpy.py there would be imported for NumPy.
# An expected crash leaves no core file.
PRELUDE = """
import resource, sys
if sys.path and not sys.path[0]: del sys.path[0]
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
"""
_END_LIMIT_S = 1.0
_SIGNAL_REASONS = {
    signal.SIGILL: "the CPU lacks the instructions that it was compiled for",
    signal.SIGKILL: "it was killed, perhaps for lack of memory",
    signal.SIGBUS: "a file that it had open has changed or the disk fails",
}


@dataclass(frozen=True)
class Outcome:
    """The result of code that ran in its own process.

    Attributes:
        output: What it wrote to stdout.
        failure: Why it failed, as part of a sentence; "" if it did not.
        crashed: A signal ended it, or it was killed after its time limit.
        signal: The number of that signal; 0 for none.
    """

    output: str = ""
    failure: str = ""
    crashed: bool = False
    signal: int = 0


def try_python(
    code: str, *arguments: str, timeout_s: float, python: str = sys.executable
) -> Outcome:
    """Runs `code`; all processes that it started have ended when this returns.

    Args:
        code: Python code, with `arguments` in `sys.argv[1:]`.
        arguments: Arguments of the code.
        timeout_s: Timeout in seconds, after which it is killed.
        python: The interpreter.
    """
    try:
        process = subprocess.Popen(
            [python, "-c", PRELUDE + code, *arguments],
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
        return Outcome(failure=f"no result in {timeout_s:g} s", crashed=True)
    finally:
        # One that hangs in a driver may stay for a while.
        end_group(process, _END_LIMIT_S)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_END_LIMIT_S)
    if process.returncode < 0:
        number = -process.returncode
        return Outcome(output, name_signal(number), crashed=True, signal=number)
    if process.returncode:
        return Outcome(output, _last_line(complaints))
    return Outcome(output)


def name_signal(number: int) -> str:
    """Returns which signal ended a process and why, as part of a sentence."""
    name = signal.Signals(number).name
    reason = _SIGNAL_REASONS.get(signal.Signals(number))
    return f"crashed with {name}" + (f": {reason}" if reason else "")


def _last_line(complaints: str) -> str:
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    last = lines[-1] if lines else "it printed no error"
    return last.removeprefix("corallite: ").rstrip(".")
