"""Publishes the labels to an MQTT broker whenever they change."""

import re
import ssl
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from corallite.device.loop.classify_frames import Result
from corallite.device.loop.result_lines import to_json_line
from corallite.device.system import log
from corallite.device.system.errors import RequestError
from corallite.device.system.log_throttle import Failures
from corallite.device.system.url import parse_url

_FORM = "mqtt://USER:PASSWORD@HOST:PORT/TOPIC, or mqtts"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
# Messages kept while the broker is unreachable; the oldest are dropped.
_MAX_WAITING = 100
_TICK_S = 0.1
_WAIT_S = 1.0
_KEEPALIVE_S = 30
_MAX_DELAY_S = 30
# Time to send the waiting messages at the end, and again for the last status.
_CLOSE_TIMEOUT_S = 2.0
_AT_LEAST_ONCE = 1
# A topic has at most 65,535 bytes in the protocol, including our suffix.
_MAX_BYTES = 2**15


@dataclass(frozen=True)
class Address:
    """A broker and a topic.

    Attributes:
        host: The broker.
        port: Its TCP port.
        topic: Gets the results; TOPIC/status gets "online" and "offline".
        user: None without.
        password: None without.
        is_encrypted: Use TLS, and check the broker's certificate.
    """

    host: str
    port: int
    topic: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    is_encrypted: bool = False


class Mqtt:
    """A sink that publishes results as retained JSON, in order, at least once.

    At most one message is unacknowledged, so that the broker always retains the
    newest. If the connection is lost, paho reconnects after 1 s at first and 30 s at
    most; meanwhile the newest 100 messages wait.

    Attributes:
        lost: How many messages were dropped for newer ones, or at the end.
    """

    def __init__(self, address: Address, every_frame: bool = False) -> None:
        """Starts to connect in the background.

        Args:
            address: The broker and the topic.
            every_frame: Whether to publish every result; default, only when the
                active labels or the counts change, or without a threshold the
                result's label.

        Raises:
            RequestError: paho-mqtt is not installed.
        """
        self.lost = 0
        self._address = address
        self._status_topic = f"{address.topic}/status"
        self._every_frame = every_frame
        self._last: object = None
        self._waiting: deque[str] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._failures = Failures()
        self._is_refused = False
        self._client = self._make_client()
        self._client.connect_async(address.host, address.port, _KEEPALIVE_S)
        self._client.loop_start()
        self._publisher = threading.Thread(
            target=self._publish, name="mqtt", daemon=True
        )
        self._publisher.start()

    def put(self, result: Result) -> None:
        """Queues `result` if its labels or counts have changed; never waits."""
        labels = [result.label] if result.active is None else result.active
        now = labels, result.counts
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
        """Publishes the waiting messages and "offline", within a few seconds."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._publisher.join(_CLOSE_TIMEOUT_S)
        if self._client.is_connected():
            offline = self._client.publish(
                self._status_topic, "offline", _AT_LEAST_ONCE, retain=True
            )
            if not offline.rc:
                offline.wait_for_publish(_CLOSE_TIMEOUT_S)
        self._client.disconnect()
        # paho may be connecting, which takes up to 5 s.
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
        client.will_set(self._status_topic, "offline", _AT_LEAST_ONCE, True)
        client.reconnect_delay_set(1, _MAX_DELAY_S)
        client.on_connect = self._report_online
        client.on_connect_fail = self._note_unreachable
        client.on_disconnect = self._note_loss
        return client

    # These three run in paho's own thread.

    def _report_online(
        self, client: Any, data: Any, flags: Any, code: Any, more: Any
    ) -> None:
        if code.is_failure:
            self._is_refused = True
            self._failures.note(
                f"{self._name}: refuses the connection ({code}); check the user name, "
                "the password and the broker's settings."
            )
            return
        log.info("%s: connected.", self._name)
        client.publish(self._status_topic, "online", _AT_LEAST_ONCE, retain=True)

    def _note_unreachable(self, client: Any, data: Any) -> None:
        # paho calls this while it handles the exception, and does not pass it on.
        self._failures.note(f"{self._name}: {_why_unreachable(sys.exc_info()[1])}")

    def _note_loss(
        self, client: Any, data: Any, flags: Any, code: Any, more: Any
    ) -> None:
        # A refusing broker closes the connection: that has been logged with its reason.
        is_refused, self._is_refused = self._is_refused, False
        if not self._closing.is_set() and not is_refused:
            self._failures.note(f"{self._name}: {_why_lost(code)}")

    def _publish(self) -> None:
        """Publishes the messages, each after the broker has acknowledged the last."""
        while (payload := self._next()) is not None:
            message = self._client.publish(
                self._address.topic, payload, _AT_LEAST_ONCE, retain=True
            )
            # Without a connection, paho keeps the message and sends it later.
            message.rc = 0
            while not message.is_published():
                if self._closing.is_set() and not self._client.is_connected():
                    with self._changed:
                        self.lost += 1
                    break
                message.wait_for_publish(_WAIT_S)

    def _next(self) -> str | None:
        """Waits for a message and a connection; returns None at the end."""
        with self._changed:
            while not self._waiting or not self._client.is_connected():
                if self._closing.is_set():
                    return None
                self._changed.wait(_TICK_S)
            return self._waiting.popleft()

    @property
    def _name(self) -> str:
        address = self._address
        scheme = "mqtts" if address.is_encrypted else "mqtt"
        host = f"[{address.host}]" if ":" in address.host else address.host
        return f"{scheme}://{host}:{address.port}"


def _why_unreachable(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({error.verify_message}); set "
            "SSL_CERT_FILE to the file of its authority, or correct the host name."
        )
    if isinstance(error, ssl.SSLError):
        reason = error.reason or error.strerror or "unknown error"
        return f"TLS fails ({reason}); check that the port is that of mqtts."
    why = getattr(error, "strerror", None) or error or "unknown error"
    return f"cannot be reached ({why}); check the host, the port and the network."


def _why_lost(code: Any) -> str:
    # What paho calls an error without a cause of its own: the connection was closed.
    why = str(code)
    if why == "Unspecified error":
        why = "the broker closed it"
    return f"the connection is lost ({why}); check the broker and the network."


def parse_address(url: str) -> Address:
    """Parses mqtt://USER:PASSWORD@HOST:PORT/TOPIC; mqtts uses TLS.

    User, password and port are optional. Special characters are percent-encoded.

    Raises:
        RequestError: The URL is invalid. The message shows no more of it than the
            scheme.
    """
    if len(url.encode(errors="replace")) > _MAX_BYTES:
        raise RequestError(f"--mqtt: is longer than {_MAX_BYTES} bytes; shorten it.")
    try:
        parts = parse_url(url, _PORTS, _FORM)
    except RequestError as error:
        raise RequestError(f"--mqtt: {error}") from None
    topic = unquote(parts.path).strip("/")
    if not topic or parts.query or url.endswith("?") or set(topic) & set("+#\0"):
        raise RequestError(
            f"--mqtt: {parts.scheme}://...: has no valid topic; write {_FORM}, without "
            '"+" and "#" in the topic, and with "?" as %3F.'
        )
    if re.search("[\udc80-\udcff]", f"{parts.user} {parts.password}"):
        raise RequestError(
            f"--mqtt: {parts.scheme}://...: user or password is not UTF-8 text; MQTT "
            "needs UTF-8, such as %C3%A9 and not %E9."
        )
    return Address(
        parts.host,
        parts.port or _PORTS[parts.scheme],
        topic,
        parts.user,
        parts.password,
        parts.scheme == "mqtts",
    )
