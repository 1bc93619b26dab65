"""Passes results to any number of sinks, whose errors do not stop the loop."""

import errno
import os
import select
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from corallite.device.loop.classify_frames import Result
from corallite.device.system import log
from corallite.device.system.log_throttle import Failures

# A writable pipe accepts this many bytes without blocking (PIPE_BUF).
_CHUNK_BYTES = 4096
_WAIT_S = 1.0


class Sink(Protocol):
    """Receives every result of the loop, in the loop's own thread."""

    def put(self, result: Result) -> None:
        """Receives a result and returns soon; slow work runs in another thread.

        Raises:
            OSError: The result is lost; the next one is still passed on.
        """

    def close(self) -> None:
        """Ends the other threads within a few seconds."""


class Sinks:
    """Several sinks as one, which fails only if the reader of stdout has ended."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        """Takes ownership of `sinks`, and calls them in this order."""
        self._sinks = [(sink, Failures()) for sink in sinks]

    def put(self, result: Result) -> None:
        """Passes `result` to every sink, and logs their errors.

        Raises:
            BrokenPipeError: The reader of stdout has ended.
        """
        for sink, failures in self._sinks:
            try:
                sink.put(result)
            except BrokenPipeError:
                raise
            # RuntimeError: no thread can be started.
            except (OSError, RuntimeError) as error:
                reason = getattr(error, "strerror", None) or error
                failures.note(f"{type(sink).__name__}: {reason}.")


class Lines:
    """Writes each result as a line, without buffering.

    A line that does not fit on a full disk is lost and counted. A line of which a part
    was written is completed when there is room again, so that no line is partial.

    Attributes:
        lost: How many lines are lost so far.
        on_wait: Called every second while waiting for the reader, for a watchdog.
        stop: Once set, waiting ends when the reader has read nothing for a second.
    """

    def __init__(
        self,
        descriptor: int,
        to_line: Callable[[Result], str],
        encoding: str = "ascii",
    ) -> None:
        """Writes nothing yet.

        Args:
            descriptor: File descriptor to write to; stays open.
            to_line: Returns a result as text, without the line end.
            encoding: Characters that it lacks are written with backslashes.
        """
        self.lost = 0
        self.on_wait: Callable[[], None] = lambda: None
        self.stop = threading.Event()
        self._descriptor = descriptor
        # A non-blocking descriptor fails by itself when there is no room.
        self._waits = os.get_blocking(descriptor)
        self._to_line = to_line
        self._encoding = encoding
        # The rest of a line that was written in part.
        self._rest = b""

    def put(self, result: Result) -> None:
        """Writes a line; waits for a slow reader.

        Raises:
            OSError: The line is lost, or written only in part so far.
        """
        line = f"{self._to_line(result)}\n".encode(self._encoding, "backslashreplace")
        self._rest += line
        try:
            self._write_rest()
        except OSError:
            if len(self._rest) >= len(line):
                self._rest = self._rest[: -len(line)]
                self.lost += 1
            raise

    def _write_rest(self) -> None:
        while self._rest:
            if self._waits:
                self._await_room()
            written = os.write(self._descriptor, self._rest[:_CHUNK_BYTES])
            self._rest = self._rest[written:]

    def _await_room(self) -> None:
        """Waits for room; not in `write`, which a signal would not interrupt."""
        while not select.select([], [self._descriptor], [], _WAIT_S)[1]:
            if self.stop.is_set():
                raise OSError(errno.ETIMEDOUT, "the reader does not read the results")
            self.on_wait()

    def close(self) -> None:
        """Completes a partial line, and logs how many were lost."""
        try:
            self._write_rest()
        except OSError:
            self.lost += 1
            self._rest = b""
        if self.lost:
            log.warning("%d results could not be written.", self.lost)
