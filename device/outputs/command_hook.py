"""Runs a command when a label appears."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence

from corallite.device.loop.classify_frames import Result
from corallite.device.model.refusal import UNKNOWN
from corallite.device.system import log
from corallite.device.system.errors import RequestError
from corallite.device.system.log_throttle import Failures
from corallite.device.system.process.limited_process import end_group

# Time for a running command to end when the loop ends, and again after SIGTERM.
_GRACE_S = 2.0


class Hook:
    """Runs a command each time a label appears, one run at a time, beside the loop.

    A label appears when it becomes active (without a threshold: the result's label).
    The labels of all boxes are active.
    "unknown" appears when no label is active.

    Attributes:
        runs: How often the command was started.
        skipped: How often it was not started, because it still ran or had just run.
    """

    def __init__(
        self,
        label: str,
        arguments: Sequence[str],
        *,
        timeout_s: float = 30.0,
        pause_s: float = 10.0,
    ) -> None:
        """Prepares the command; `put` starts it.

        Args:
            label: The label to wait for.
            arguments: The program and its arguments; run without a shell. Its
                environment has CORALLITE_LABEL, CORALLITE_PROBABILITY (0 to 1; empty
                if the label is not among the result's), CORALLITE_SOURCE and
                CORALLITE_FRAME. Its output goes to stderr.
            timeout_s: After this time it is ended, with all processes it started.
            pause_s: Minimum time from one start to the next.
        """
        self.runs = 0
        self.skipped = 0
        self._label = label
        self._arguments = list(arguments)
        self._timeout_s = timeout_s
        self._pause_s = pause_s
        self._was_on = False
        self._started_s = float("-inf")
        self._failures = Failures()
        self._runner: threading.Thread | None = None
        self._closing = threading.Event()

    def put(self, result: Result) -> None:
        """Starts the command if the label appears in this result."""
        active = result.active
        shown = [result.label] if active is None else active or [UNKNOWN]
        is_on = self._label in shown
        has_appeared, self._was_on = is_on and not self._was_on, is_on
        if not has_appeared:
            return
        now_s = time.monotonic()
        is_running = self._runner is not None and self._runner.is_alive()
        if is_running or now_s - self._started_s < self._pause_s:
            self.skipped += 1
            return
        self._started_s = now_s
        self.runs += 1
        self._runner = threading.Thread(
            target=self._run, args=(_describe(result, self._label),), name="hook"
        )
        self._runner.start()

    def close(self) -> None:
        """Waits two seconds for a running command, then ends it."""
        self._closing.set()
        if self._runner is not None:
            self._runner.join()
        if self.skipped:
            log.info("%s: skipped %d times.", self._arguments[0], self.skipped)

    def _run(self, environment: dict[str, str | bytes]) -> None:
        program = self._arguments[0]
        try:
            process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=_find_stderr(),
                env={**os.environ, **environment},
                start_new_session=True,
            )
        except OSError as error:
            self._failures.note(f"{program}: does not start: {error.strerror}.")
            return
        if not self._wait(process):
            _end(process)
            self._failures.note(f"{program}: exceeded --run_timeout and was ended.")
        elif process.returncode:
            self._failures.note(f"{program}: ended with status {process.returncode}.")

    def _wait(self, process: subprocess.Popen[bytes]) -> bool:
        """Returns whether the command ended by itself in time."""
        limit_s = time.monotonic() + self._timeout_s
        while process.poll() is None:
            if self._closing.is_set():
                limit_s = min(limit_s, time.monotonic() + _GRACE_S)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, limit_s - time.monotonic()))
                return process.poll() is not None
            if time.monotonic() >= limit_s:
                return False
            self._closing.wait(0.05)
        return True


def parse_command(command: str) -> list[str]:
    """Splits a command into program and arguments, with quoting like a shell.

    Raises:
        RequestError: The program does not exist, or a quote is not closed.
    """
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise RequestError(f"--run={command}: {error}; correct the quotes.") from error
    if not arguments or shutil.which(arguments[0]) is None:
        program = arguments[0] if arguments else command
        raise RequestError(
            f"--run={command}: there is no executable program {program!r}; give its "
            "full path."
        )
    return arguments


def _describe(result: Result, label: str) -> dict[str, str | bytes]:
    found = [p.probability for p in result.top if p.label == label]
    found += [box.score for box in result.boxes or () if box.label == label]
    return {
        "CORALLITE_LABEL": _clean(label),
        "CORALLITE_PROBABILITY": f"{found[0]:.6f}" if found else "",
        "CORALLITE_SOURCE": _clean(result.source),
        "CORALLITE_FRAME": str(result.frame),
    }


def _clean(text: str) -> bytes:
    """Encodes a value of the environment, which must not contain a zero byte."""
    return text.encode("utf-8", "backslashreplace").replace(b"\0", b"?")


def _find_stderr() -> int:
    """Returns where the output goes: never to stdout, where the results are."""
    try:
        os.fstat(2)
    except OSError:
        return subprocess.DEVNULL
    return 2


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a command and its child processes by SIGTERM, then SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)
    end_group(process, _GRACE_S)
