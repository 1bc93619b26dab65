"""Where results go: to any number of sinks, none of which can stop the loop."""

import errno
import os
import select
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from corallite.device.loop.classify_frames import Result
from corallite.device.system import log
from corallite.device.system.log_throttle import Failures

# A pipe that has room at all takes as many bytes (PIPE_BUF) without a wait.
_BYTES_AT_ONCE = 4096
_PATIENCE_S = 1.0


class Sink(Protocol):
    """Takes every result of the loop, in the loop's own thread."""

    def put(self, result: Result) -> None:
        """Takes a result, and returns soon: whatever may take long is done beside.

        Raises:
            OSError: It could not be taken; the next one is tried all the same.
        """

    def close(self) -> None:
        """Ends what goes on beside, within a few seconds."""


class Sinks:
    """Several sinks as one, which only fails when nobody reads the results."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        """Takes over `sinks`, to be called in this order."""
        self._sinks = [(sink, Failures()) for sink in sinks]

    def put(self, result: Result) -> None:
        """Gives `result` to every sink; logs which of them fail.

        Raises:
            BrokenPipeError: Whoever read the results has gone.
        """
        for sink, failures in self._sinks:
            try:
                sink.put(result)
            except BrokenPipeError:
                raise
            # RuntimeError: no thread is to be had.
            except (OSError, RuntimeError) as error:
                reason = getattr(error, "strerror", None) or error
                failures.note(f"{type(sink).__name__}: {reason}.")

    def close(self) -> None:
        """Closes every sink."""
        for sink, _ in self._sinks:
            sink.close()


class Lines:
    """Writes each result as a line, past Python's buffers.

    A line that does not fit on a full disk is lost and counted. One that was begun is
    ended when there is room again, so that a line is there as a whole or not at all.

    Attributes:
        lost: How many lines are lost so far.
        on_wait: Called every second while a reader is waited for, for a watchdog.
        stop: Once it is set, a reader that has taken nothing for a second is not waited
            for any longer.
    """

    def __init__(
        self,
        descriptor: int,
        to_line: Callable[[Result], str],
        encoding: str = "ascii",
    ) -> None:
        """Writes nothing yet.

        Args:
            descriptor: To write to; stays open.
            to_line: Writes a result, without the line's end.
            encoding: What it lacks is written with backslashes.
        """
        self.lost = 0
        self.on_wait: Callable[[], None] = lambda: None
        self.stop = threading.Event()
        self._descriptor = descriptor
        # Without, a write that finds no room fails by itself.
        self._waits = os.get_blocking(descriptor)
        self._to_line = to_line
        self._encoding = encoding
        # Of a line that was begun.
        self._rest = b""

    def put(self, result: Result) -> None:
        """Writes a line; waits for a reader that is slow.

        Raises:
            OSError: It is lost, or only a part of it could be written so far.
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
            written = os.write(self._descriptor, self._rest[:_BYTES_AT_ONCE])
            self._rest = self._rest[written:]

    def _await_room(self) -> None:
        """Waits until there is room; not in a write, which no signal would end."""
        while not select.select([], [self._descriptor], [], _PATIENCE_S)[1]:
            if self.stop.is_set():
                raise OSError(errno.ETIMEDOUT, "nobody reads the results")
            self.on_wait()

    def close(self) -> None:
        """Ends a line that was begun, and says how many were lost, if any were."""
        try:
            self._write_rest()
        except OSError:
            self.lost += 1
            self._rest = b""
        if self.lost:
            log.warning("%d results could not be written.", self.lost)
