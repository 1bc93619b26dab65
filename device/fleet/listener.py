"""Listens to the devices of a broker."""

import threading
import time
from typing import Any

from corallite.device.fleet.device import Device
from corallite.device.fleet.devices import Devices
from corallite.device.outputs.broker import (
    AT_LEAST_ONCE,
    KEEPALIVE_S,
    Address,
    make_client,
    why_lost,
    why_refused,
    why_unreachable,
)
from corallite.device.outputs.topics import name_retained
from corallite.device.system.errors import RequestError
from corallite.device.system.log_throttle import Failures

_TIMEOUT_S = 10.0
# The broker sends what it retains at once, but does not say when it has sent all.
_QUIET_S = 0.5
# States are repeated every minute, so a lost one does not matter. A broker would keep
# only some of those for which it needs an acknowledgement.
_AT_MOST_ONCE = 0


class Listener:
    """Subscribes to the states of devices; reconnects if the connection is lost."""

    def __init__(self, address: Address) -> None:
        """Connects, and waits for what the broker retains.

        Args:
            address: The broker; its topic is the filter of `Devices`.

        Raises:
            RequestError: The broker cannot be reached or refuses, or paho-mqtt is
                missing.
        """
        self._name = f"--mqtt: {address.name}"
        self._devices = Devices(address.topic)
        self._changed = threading.Condition()
        self._refusal = ""
        self._is_subscribed = False
        self._is_closing = False
        self._lost_at = ""
        self._retained_s = time.monotonic()
        self._failures = Failures()
        self._client = make_client(address)
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = self._note_subscribed
        self._client.on_message = self._take
        self._client.on_disconnect = self._note_loss
        try:
            self._client.connect(address.host, address.port, KEEPALIVE_S)
        except OSError as error:
            raise RequestError(f"{self._name}: {why_unreachable(error)}") from error
        self._client.loop_start()
        try:
            self._await_retained()
        except BaseException:
            self.close()
            raise

    @property
    def filter(self) -> str:
        """The topics of the devices."""
        return self._devices.filter

    @property
    def notes(self) -> list[str]:
        """Sentences about devices that are missing, or not up to date."""
        notes = []
        if left_out := self._devices.left_out:
            notes.append(f"{left_out} more left out; give --mqtt a longer topic.")
        if lost_at := self._lost_at:
            notes.append(f"Not connected since {lost_at}; devices may have changed.")
        return notes

    @property
    def is_complete(self) -> bool:
        """Whether no device was left out."""
        return not self._devices.left_out

    def list(self) -> list[Device]:
        """Returns the devices: the worst condition first, then by name.

        Raises:
            RequestError: The broker has refused a new connection.
        """
        with self._changed:
            if self._refusal:
                raise RequestError(f"{self._name}: {self._refusal}")
            return self._devices.list()

    def wait(self, seconds: float) -> None:
        """Waits for a message, at most so long."""
        with self._changed:
            self._changed.wait(seconds)

    def find(self, name: str) -> Device | None:
        """Returns a device by its name, also one that has no state."""
        with self._changed:
            return self._devices.find(name)

    def remove(self, device: Device) -> None:
        """Removes the retained messages of a device from the broker.

        Raises:
            RequestError: The broker does not acknowledge it, or keeps them.
        """
        sent = [
            self._client.publish(topic, b"", AT_LEAST_ONCE, retain=True)
            for topic in name_retained(device.topic)
        ]
        deadline_s = time.monotonic() + _TIMEOUT_S
        for message in sent:
            message.wait_for_publish(max(0.0, deadline_s - time.monotonic()))
            if not message.is_published():
                raise RequestError(f"{self._name}: does not answer; try it again.")
        # Brokers also acknowledge what a user must not write.
        with self._changed:
            while self._devices.find(device.name):
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise RequestError(
                        f"{self._name}: did not remove the device; check that this "
                        "user may write to its topics, and that it does not run."
                    )
                self._changed.wait(left_s)

    def close(self) -> None:
        """Disconnects."""
        self._is_closing = True
        self._client.disconnect()
        self._client.loop_stop()

    def _await_retained(self) -> None:
        deadline_s = time.monotonic() + _TIMEOUT_S
        with self._changed:
            while not self._is_quiet():
                left_s = deadline_s - time.monotonic()
                if self._refusal or (left_s <= 0 and not self._is_subscribed):
                    why = self._refusal or "does not answer; check the port."
                    raise RequestError(f"{self._name}: {why}")
                if left_s <= 0:
                    return
                self._changed.wait(min(left_s, _QUIET_S / 5))

    def _is_quiet(self) -> bool:
        return self._is_subscribed and time.monotonic() - self._retained_s >= _QUIET_S

    # These run in paho's own thread.

    def _subscribe(
        self, client: Any, data: Any, flags: Any, code: Any, more: Any
    ) -> None:
        if code.is_failure:
            self._refuse(why_refused(code))
            return
        client.subscribe([(x, _AT_MOST_ONCE) for x in self._devices.subscriptions])

    def _note_subscribed(
        self, client: Any, data: Any, number: int, codes: Any, more: Any
    ) -> None:
        if any(code.is_failure for code in codes):
            self._refuse(
                f"does not allow to read {self.filter}; check the broker's settings."
            )
            return
        with self._changed:
            self._is_subscribed, self._retained_s = True, time.monotonic()
            self._lost_at = ""
            self._changed.notify()

    def _take(self, client: Any, data: Any, message: Any) -> None:
        with self._changed:
            self._devices.take(message.topic, message.payload, message.retain)
            if message.retain:
                self._retained_s = time.monotonic()
            self._changed.notify()

    def _note_loss(
        self, client: Any, data: Any, flags: Any, code: Any, more: Any
    ) -> None:
        if not self._is_closing and not self._refusal:
            self._lost_at = self._lost_at or time.strftime("%H:%M:%S")
            self._failures.note(f"{self._name}: {why_lost(code)}")

    def _refuse(self, why: str) -> None:
        with self._changed:
            self._refusal = why
            self._changed.notify()
