"""Notifies systemd that a service is up and alive: the protocol of sd_notify."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from corallite.device.camera.frame import FrameStream
from corallite.device.loop.classify_frames import Result
from corallite.device.loop.result_lines import name_device
from corallite.device.system import log

_STATUS_PERIOD_S = 5.0


class Notifier:
    """Sends notifications to systemd; does nothing outside a systemd service.

    For use by one thread only.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Reads the socket and the watchdog's period.

        Args:
            environment: Has NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
        """
        address = environment.get("NOTIFY_SOCKET", "")
        # In the name of an abstract socket, "@" replaces a zero byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._period_s = _find_period_s(environment) if address else None
        self._fed_s = self._status_s = float("-inf")
        self._socket: Any = None
        if address:
            # Imported only when needed: it takes 3 ms of each start.
            import socket

            kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_UNIX, kind)

    def begin(self) -> None:
        """Reports that the service is up."""
        self._send("READY=1")

    def feed(self, describe: Callable[[], str]) -> None:
        """Feeds the watchdog and updates the status, each if it is due.

        Args:
            describe: Returns the status, one sentence.
        """
        if self._socket is None:
            return
        now_s = time.monotonic()
        if self._period_s is not None and now_s - self._fed_s >= self._period_s:
            self._fed_s = now_s
            self._send("WATCHDOG=1")
        if now_s - self._status_s >= _STATUS_PERIOD_S:
            self._status_s = now_s
            self._send(f"STATUS={describe()}")

    def close(self) -> None:
        """Reports that the service stops."""
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
                log.WARNING, "systemd cannot be notified: %s.", 1, error.strerror
            )


class LoopWatchdog:
    """Feeds systemd's watchdog from the loop in the main thread.

    It feeds with each result, and during a wait for a frame while the source's own
    thread is alive. So systemd restarts the program if inference or the source hangs.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Sends nothing yet.

        Args:
            environment: See `Notifier`.
        """
        self._notifier = Notifier(environment)
        self._frames: FrameStream | None = None
        self._results = 0
        self._device = ""

    def begin(self, frames: FrameStream) -> None:
        """Reports that the loop starts, and feeds during the waits of its source."""
        self._frames = frames
        frames.on_wait = self.feed
        self._notifier.begin()
        self.feed()

    def put(self, result: Result) -> None:
        """Counts a result; the interface of a `Sink`."""
        self._results += 1
        self._device = name_device(result)
        self.feed()

    def feed(self) -> None:
        """Feeds the watchdog and updates the status, each if it is due."""
        self._notifier.feed(self._describe)

    def close(self) -> None:
        """Reports that the loop has ended."""
        self._notifier.close()

    def _describe(self) -> str:
        state = "" if self._frames is None else self._frames.state.value
        device = f", now on {self._device}" if self._device else ""
        return f"Source {state}, {self._results} results so far{device}."


def _find_period_s(environment: Mapping[str, str]) -> float | None:
    """Returns a quarter of the watchdog's timeout; None if it is not for us."""
    limit_us = environment.get("WATCHDOG_USEC", "")
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(limit_us) / 4e6 if limit_us.isdecimal() else None
