"""Runs `corallite teach` in a process of its own, and reports its state."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from corallite.device.system import log
from corallite.device.system.errors import RequestError
from corallite.device.system.process.isolated import PRELUDE, name_signal
from corallite.device.system.process.limited_process import end_group

IDLE, RUNNING = "idle", "running"
TAUGHT, REJECTED, FAILED = "taught", "rejected", "failed"
# It has a lower priority than the camera's loop, and ends with this process.
_CODE = """
import contextlib, os, runpy
from corallite.device.system.process.parent_death import die_with_parent
die_with_parent(int(sys.argv.pop(1)))
with contextlib.suppress(OSError): os.nice(10)
name = "corallite.device.cli.teach_main"
runpy.run_module(name, run_name="__main__", alter_sys=True)
"""
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
# The prefix of absl's log lines: severity, time, process, and line of code.
_LOG_PREFIX = re.compile(r"([IWEF])\d{4} [\d:.]+ +\d+ [^\]]*\] ")
# The prefix of log lines of the TFLite runtime.
_NATIVE_PREFIX = "INFO: "
_MOST_LINES = 30
_END_LIMIT_S = 1.0
_OUTCOMES = {0: TAUGHT, 1: REJECTED}


class TeachStatus(NamedTuple):
    """The state of teaching.

    Attributes:
        state: "idle" before the first time, "running", "taught", "rejected" (the new
            model is less accurate, so the former one stays) or "failed".
        lines: What it printed, without progress.
        step: The current step; "" unless it is running.
        seconds: How long it has taken so far.
    """

    state: str = IDLE
    lines: tuple[str, ...] = ()
    step: str = ""
    seconds: float = 0.0


class Teacher:
    """Teaches one model after another.

    Attributes:
        process: The last process, or None.
    """

    def __init__(self, photos: Path, model: Path, *others: str) -> None:
        """Starts no process yet.

        Args:
            photos: The folder of classes.
            model: The file that is written.
            others: Other flags of `corallite teach`.
        """
        self.process: subprocess.Popen[str] | None = None
        self._flags = [f"--photos={photos}", f"--model={model}", *others]
        self._lock = threading.Lock()
        self._status = TeachStatus()
        self._begun_s = 0.0
        self._is_closed = False
        self._thread: threading.Thread | None = None

    @property
    def status(self) -> TeachStatus:
        """The current status; may be read from any thread."""
        status = self._status
        if status.state != RUNNING:
            return status
        return status._replace(seconds=time.monotonic() - self._begun_s)

    def start(self) -> None:
        """Starts to teach; returns at once.

        Raises:
            RequestError: A model is already being taught.
        """
        with self._lock:
            self._require_idle()
            self._begun_s = time.monotonic()
            self._status = TeachStatus(RUNNING, step="Begins ...")
            # It waits there: when the thread that starts a process ends, the kernel
            # ends the process.
            self._thread = threading.Thread(
                target=self._run, name="teacher", daemon=True
            )
            self._thread.start()

    def run_idle(self, action: Callable[[], None]) -> None:
        """Calls `action` while no model is taught.

        Raises:
            RequestError: One is being taught, or `action` raises it.
        """
        with self._lock:
            self._require_idle()
            action()

    def close(self) -> None:
        """Ends the process, if one runs: photos and model stay as they are."""
        with self._lock:
            self._is_closed = True
            if self.process is not None:
                end_group(self.process, _END_LIMIT_S)
        if self._thread is not None:
            self._thread.join(_END_LIMIT_S)

    def _require_idle(self) -> None:
        if self._status.state == RUNNING:
            raise RequestError("A model is being taught; wait until it has finished.")

    def _run(self) -> None:
        try:
            state, lines = self._teach()
        except (OSError, RuntimeError, ValueError) as error:
            state, lines = FAILED, (f"teach cannot be started ({error}); try again.",)
        seconds = time.monotonic() - self._begun_s
        log.info("Teaching: %s after %.1f s. %s", state, seconds, " | ".join(lines))
        self._status = TeachStatus(state, lines, seconds=seconds)

    def _teach(self) -> tuple[str, tuple[str, ...]]:
        process = self._open()
        assert process.stdout is not None  # noqa: S101 - for mypy.
        with process:
            for line in process.stdout:
                self._note(line.strip())
            status = process.wait()
        lines = self._status.lines
        if status < 0:
            sentence = f"teach {name_signal(-status)}; photos and model are unchanged."
            return FAILED, (*lines, sentence)
        return _OUTCOMES.get(status, FAILED), lines

    def _open(self) -> subprocess.Popen[str]:
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the server ends")
            self.process = subprocess.Popen(
                [sys.executable, "-c", PRELUDE + _CODE, str(os.getpid()), *self._flags],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, **_ENVIRONMENT},
                start_new_session=True,
            )
            return self.process

    def _note(self, line: str) -> None:
        """Adds a line to the result, or shows it as the current step."""
        found = _LOG_PREFIX.match(line)
        text = line[found.end() :] if found else line.removeprefix("corallite: ")
        if found and found[1] == "I":
            self._status = self._status._replace(step=text)
        # A command that the page has a button for, or that a page cannot run.
        elif text and ": mv " not in text and not text.startswith(_NATIVE_PREFIX):
            lines = (*self._status.lines, text)[-_MOST_LINES:]
            self._status = self._status._replace(lines=lines)
