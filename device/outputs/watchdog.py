"""Tells systemd that a service is up, and goes on: the protocol of sd_notify."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from corallite.device.camera.frame import FrameStream
from corallite.device.loop.classify_frames import Result, name_device
from corallite.device.system import log

_STATUS_PERIOD_S = 5.0


class Manager:
    """systemd, to a service of its kind; outside of one, nothing in here does anything.

    For one thread only.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Finds the socket, and how often the watchdog wants to be fed.

        Args:
            environment: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID in it count.
        """
        address = environment.get("NOTIFY_SOCKET", "")
        # "@" stands for the zero byte of an abstract socket.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._period_s = _find_period_s(environment) if address else None
        self._fed_s = self._told_s = float("-inf")
        self._socket: Any = None
        if address:
            # Imported where it is needed: each start would be slower by 3 ms.
            import socket

            kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_UNIX, kind)

    def begin(self) -> None:
        """Tells that the service is up."""
        self._send("READY=1")

    def feed(self, describe: Callable[[], str]) -> None:
        """Feeds the watchdog and renews the status, each when it is time to.

        Args:
            describe: Returns the status, one sentence.
        """
        if self._socket is None:
            return
        now_s = time.monotonic()
        if self._period_s is not None and now_s - self._fed_s >= self._period_s:
            self._fed_s = now_s
            self._send("WATCHDOG=1")
        if now_s - self._told_s >= _STATUS_PERIOD_S:
            self._told_s = now_s
            self._send(f"STATUS={describe()}")

    def close(self) -> None:
        """Tells that the service ends."""
        self._send("STOPPING=1")
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, text: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError as error:
            log.log_first_n(
                log.WARNING, "systemd cannot be told: %s.", 1, error.strerror
            )


class Service:
    """A loop in the main thread, as a service of systemd's kind.

    The watchdog is fed by the loop's own thread alone: with each result, and while it
    waits for a frame of a source that is itself at work on it. A loop that hangs in
    inference, or whose source's keeper is dead, is therefore started again.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Tells nothing yet.

        Args:
            environment: Of `Manager`.
        """
        self._manager = Manager(environment)
        self._frames: FrameStream | None = None
        self._results = 0
        self._device = ""

    def begin(self, frames: FrameStream) -> None:
        """Tells that the loop begins, and listens to the waits of its source."""
        self._frames = frames
        frames.on_wait = self.feed
        self._manager.begin()
        self.feed()

    def put(self, result: Result) -> None:
        """Notes that there is a result; this makes it a `Sink`."""
        self._results += 1
        self._device = name_device(result)
        self.feed()

    def feed(self) -> None:
        """Feeds the watchdog and renews the status, each when it is time to."""
        self._manager.feed(self._describe)

    def close(self) -> None:
        """Tells that the loop has ended."""
        self._manager.close()

    def _describe(self) -> str:
        state = "" if self._frames is None else self._frames.state.value
        device = f", now by {self._device}" if self._device else ""
        return f"Source {state}, {self._results} results so far{device}."


def _find_period_s(environment: Mapping[str, str]) -> float | None:
    """Returns a quarter of the watchdog's patience; None if it is not for us."""
    limit_us = environment.get("WATCHDOG_USEC", "")
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(limit_us) / 4e6 if limit_us.isdecimal() else None
