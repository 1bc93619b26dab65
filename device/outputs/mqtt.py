"""Tells an MQTT broker what is seen, whenever that changes."""

import queue
import ssl
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from corallite.device.loop.classify_frames import Result, to_json_line
from corallite.device.system import log
from corallite.device.system.errors import RequestError
from corallite.device.system.log_throttle import Failures

_PORTS = {"mqtt": 1883, "mqtts": 8883}
# What waits for a broker that is away: of a flood, the newest.
_MAX_WAITING = 100
_TICK_S = 0.1
_KEEPALIVE_S = 30
_LONGEST_DELAY_S = 30
# To hand over what waits, and to take leave, when the loop ends.
_CLOSE_TIMEOUT_S = 2.0
_AT_LEAST_ONCE = 1
# The protocol takes 65,535 of a topic, which has more in TOPIC/status.
_MOST_BYTES = 2**15


@dataclass(frozen=True)
class Address:
    """Where to publish.

    Attributes:
        host: The broker.
        port: Its port.
        topic: Where states go; "online" and "offline" go to TOPIC/status.
        user: None without.
        password: None without.
        is_encrypted: Whether by TLS, with the broker's certificate checked.
    """

    host: str
    port: int
    topic: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    is_encrypted: bool = False


class Mqtt:
    """A sink that publishes results as retained JSON, in order, at least once.

    One message is under way at a time, so that what the broker retains is always the
    newest. A broker that is away is looked for again, after a second at first and
    half a minute at most; meanwhile the newest 100 messages wait.

    Attributes:
        lost: How many messages gave way to newer ones.
    """

    def __init__(self, address: Address, every_frame: bool = False) -> None:
        """Begins to connect, in the background.

        Args:
            address: The broker and the topic.
            every_frame: Whether to publish every result; default, only when the
                active labels change, or without threshold the most probable one.

        Raises:
            RequestError: paho-mqtt is not installed.
        """
        self.lost = 0
        self._address = address
        self._every_frame = every_frame
        self._last: list[str] | None = None
        self._waiting: deque[str] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._taken: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._failures = Failures()
        self._client = self._make_client()
        self._client.connect_async(address.host, address.port, _KEEPALIVE_S)
        self._client.loop_start()
        self._publisher = threading.Thread(
            target=self._publish, name="mqtt", daemon=True
        )
        self._publisher.start()

    def put(self, result: Result) -> None:
        """Lets `result` be published if it says something new; never waits."""
        now = [result.top[0].label] if result.active is None else result.active
        if now == self._last and not self._every_frame:
            return
        self._last = now
        with self._changed:
            if len(self._waiting) == _MAX_WAITING:
                self._waiting.popleft()
                self.lost += 1
            self._waiting.append(to_json_line(result))
            self._changed.notify()

    def close(self) -> None:
        """Hands over what waits if that is soon done, and takes leave."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._publisher.join(_CLOSE_TIMEOUT_S)
        if self._client.is_connected():
            leave = self._client.publish(
                f"{self._address.topic}/status", "offline", _AT_LEAST_ONCE, retain=True
            )
            if not leave.rc:
                leave.wait_for_publish(_CLOSE_TIMEOUT_S)
        self._client.disconnect()
        # It may be in the middle of looking for the broker, which takes 5 s at most.
        stopper = threading.Thread(target=self._client.loop_stop, daemon=True)
        stopper.start()
        stopper.join(_CLOSE_TIMEOUT_S)
        waiting = self.lost + len(self._waiting)
        if waiting:
            log.warning("%d messages were not published.", waiting)

    def _make_client(self) -> Any:
        try:
            from paho.mqtt import client as paho
        except ImportError as error:
            raise RequestError(
                "--mqtt needs the package paho-mqtt; run: pip install paho-mqtt"
            ) from error
        address = self._address
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.username_pw_set(address.user, address.password)
        if address.is_encrypted:
            client.tls_set_context(ssl.create_default_context())
        client.will_set(f"{address.topic}/status", "offline", _AT_LEAST_ONCE, True)
        client.reconnect_delay_set(1, _LONGEST_DELAY_S)
        client.on_connect = self._greet
        client.on_connect_fail = self._note_unreachable
        client.on_disconnect = self._note_loss
        client.on_publish = self._note_publication
        return client

    # These four run in paho's own thread.

    def _greet(self, client: Any, data: Any, flags: Any, code: Any, more: Any) -> None:
        if code.is_failure:
            self._failures.note(f"{self._name}: refused us: {code}.")
            return
        log.info("%s: connected.", self._name)
        client.publish(
            f"{self._address.topic}/status", "online", _AT_LEAST_ONCE, retain=True
        )

    def _note_unreachable(self, client: Any, data: Any) -> None:
        self._failures.note(f"{self._name}: cannot be reached.")

    def _note_loss(
        self, client: Any, data: Any, flags: Any, code: Any, more: Any
    ) -> None:
        if not self._closing.is_set():
            self._failures.note(f"{self._name}: the connection is lost: {code}.")

    def _note_publication(
        self, client: Any, data: Any, number: int, code: Any, more: Any
    ) -> None:
        self._taken.put(number)

    def _publish(self) -> None:
        """Publishes what waits, each when the broker has taken the one before."""
        while (payload := self._next()) is not None:
            message = self._client.publish(
                self._address.topic, payload, _AT_LEAST_ONCE, retain=True
            )
            # Until there is a connection paho keeps it, and sends it then.
            if not self._await_broker(message.mid):
                self.lost += 1

    def _next(self) -> str | None:
        """Waits for a message and for a broker; None when there will be no more."""
        with self._changed:
            while not self._waiting or not self._client.is_connected():
                if self._closing.is_set():
                    return None
                self._changed.wait(_TICK_S)
            return self._waiting.popleft()

    def _await_broker(self, number: int) -> bool:
        """Returns whether the broker took the message, or we end without that."""
        while True:
            try:
                if self._taken.get(timeout=_TICK_S) == number:
                    return True
            except queue.Empty:
                if self._closing.is_set() and not self._client.is_connected():
                    return False

    @property
    def _name(self) -> str:
        address = self._address
        scheme = "mqtts" if address.is_encrypted else "mqtt"
        return f"{scheme}://{address.host}:{address.port}"


def parse_address(url: str) -> Address:
    """Reads mqtt://USER:PASSWORD@HOST:PORT/TOPIC; mqtts is over TLS.

    User, password and port may be left out. %40 and the like stand for characters
    that have a meaning in a URL.

    Raises:
        RequestError: It is something else. The password is not shown.
    """
    try:
        parts = urlsplit(url if len(url.encode()) <= _MOST_BYTES else "")
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError:
        parts, port = urlsplit(""), None
    topic = unquote(parts.path).strip("/")
    # What comes after "#" or "?" would not be part of the topic.
    is_cut = parts.fragment or parts.query or url.endswith(("#", "?"))
    is_topic = topic and not is_cut and not set(topic) & set("+#\0")
    if parts.scheme not in _PORTS or not parts.hostname or not is_topic or port == 0:
        shown = url.rpartition("@")[2]
        raise RequestError(
            f"--mqtt=...{shown}: is no place to publish; write "
            "mqtt://USER:PASSWORD@HOST:PORT/TOPIC, or mqtts."
        )
    return Address(
        parts.hostname,
        port or _PORTS[parts.scheme],
        topic,
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
        parts.scheme == "mqtts",
    )
