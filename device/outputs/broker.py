"""Connections to an MQTT broker."""

import re
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from corallite.device.system.errors import RequestError
from corallite.device.system.url import parse_url

KEEPALIVE_S = 30
AT_LEAST_ONCE = 1

_FORM = "mqtt://USER:PASSWORD@HOST:PORT/TOPIC, or mqtts"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_MAX_DELAY_S = 30
# A topic has at most 65,535 bytes in the protocol, including our suffix.
_MAX_BYTES = 2**15
_WHOLE_LEVEL = ' A "+" must be a whole level, as in +/cameras.'


@dataclass(frozen=True)
class Address:
    """A broker and a topic.

    Attributes:
        host: The broker.
        port: Its TCP port.
        topic: Gets the results. TOPIC/status gets "online" and "offline", TOPIC/state
            the state of the program.
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

    @property
    def name(self) -> str:
        """The broker, for messages: without user, password and topic."""
        scheme = "mqtts" if self.is_encrypted else "mqtt"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"


def make_client(address: Address) -> Any:
    """Creates a client of paho, which is not connected yet.

    If the connection is lost, it reconnects after 1 s at first and 30 s at most.

    Raises:
        RequestError: paho-mqtt is not installed.
    """
    try:
        from paho.mqtt import client as paho
    except ImportError as error:
        raise RequestError(
            "--mqtt needs the package paho-mqtt; run: pip install paho-mqtt"
        ) from error
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.username_pw_set(address.user, address.password)
    if address.is_encrypted:
        client.tls_set_context(ssl.create_default_context())
    client.reconnect_delay_set(1, _MAX_DELAY_S)
    return client


def why_refused(code: Any) -> str:
    """Returns the predicate of a sentence: why the broker refuses a connection."""
    return (
        f"refuses the connection ({code}); check the user name, the password and the "
        "broker's settings."
    )


def why_unreachable(error: BaseException | None) -> str:
    """Returns the predicate of a sentence: why no connection could be opened."""
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


def why_lost(code: Any) -> str:
    """Returns the predicate of a sentence about paho's code: why it was closed."""
    # What paho calls an error without a cause of its own: the connection was closed.
    why = str(code)
    if why == "Unspecified error":
        why = "the broker closed it"
    return f"the connection is lost ({why}); check the broker and the network."


def parse_address(url: str, wildcards: str = "") -> Address:
    """Parses mqtt://USER:PASSWORD@HOST:PORT/TOPIC; mqtts uses TLS.

    User, password and port are optional. Special characters are percent-encoded.

    Args:
        url: The URL.
        wildcards: Those of "+" and "#" that the topic may have.

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
    topic = unquote(parts.path, errors="surrogateescape").strip("/")
    is_valid = _is_topic(topic, wildcards)
    if not is_valid or parts.query or url.endswith("?"):
        excluded = '"#"' if "+" in wildcards else '"+", "#"'
        raise RequestError(
            f"--mqtt: {parts.scheme}://...: has no valid topic; write {_FORM}, without "
            f'{excluded} and control characters in the topic, and "?" as %3F.'
            f"{_WHOLE_LEVEL if '+' in wildcards else ''}"
        )
    if re.search("[\udc80-\udcff]", f"{parts.user} {parts.password} {topic}"):
        raise RequestError(
            f"--mqtt: {parts.scheme}://...: user, password or topic is not UTF-8; MQTT "
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


def _is_topic(topic: str, wildcards: str) -> bool:
    """Returns whether MQTT allows a topic: no controls, and "+" for a whole level."""
    if not topic or re.search(r"[\x00-\x1f\x7f-\x9f]", topic):
        return False
    levels = topic.split("/")
    allowed = {*wildcards}
    return all(not {*"+#"} & {*level} or level in allowed for level in levels)
