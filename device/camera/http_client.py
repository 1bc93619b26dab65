"""GET requests to a network camera: its redirections and its request for a password."""

import base64
import hashlib
import http.client
import re
import secrets
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from corallite.device.system.errors import RequestError
from corallite.device.system.url import Url, parse_url

# What http.client raises if the connection breaks or the answer is not HTTP.
# ValueError: TLS, when another thread closes the connection during a read.
CONNECTION_ERRORS = (OSError, http.client.HTTPException, ValueError)
_MOST_REQUESTS = 6
_REDIRECTIONS = (301, 302, 303, 307, 308)
# RFC 7616, 3.3; cameras have MD5.
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}
_PARAMETER = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')

# A login returns the header `Authorization` of a request for a target.
Login = Callable[[str], str]
Response = tuple[http.client.HTTPResponse, socket.socket]


class HttpClient:
    """Requests the same URL again and again, each time with a new connection.

    A camera gets the password only if it asks for it, in the way it asks for: by
    Digest if it offers that, else by Basic. Later requests use the same login.

    Attributes:
        url: After redirections, the last one.
    """

    def __init__(self, url: Url, timeout_s: float) -> None:
        """Does not connect yet; no wait for bytes is longer than `timeout_s`."""
        self.url = url
        self._timeout_s = timeout_s
        self._login: Login | None = None

    def get(self) -> Response:
        """Returns the response, whose status is 200, and its socket.

        The caller closes both.

        Raises:
            RequestError: The camera cannot be reached, refuses the password, or answers
                with an error.
        """
        has_logged_in = False
        for _ in range(_MOST_REQUESTS):
            response, stream = self._request()
            if response.status == 200:
                return response, stream
            close(response, stream)
            if response.status == 401 and not has_logged_in:
                has_logged_in = True
                self._login = self._choose_login(response)
                may_repeat = self._login is not None
            else:
                may_repeat = self._follow(response)
            if not may_repeat:
                break
        raise self._refused(response)

    def _request(self) -> Response:
        url = self.url
        is_tls = url.scheme == "https"
        kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
        connection = kind(url.host, url.port, timeout=self._timeout_s)
        headers = {"User-Agent": "corallite"}
        if self._login is not None:
            headers["Authorization"] = self._login(url.target)
        try:
            connection.connect()
            # Kept here: `getresponse` forgets the socket of a response without length.
            stream = connection.sock
            connection.request("GET", url.target, headers=headers)
            return connection.getresponse(), stream
        except CONNECTION_ERRORS as error:
            connection.close()
            raise unreachable(url.name, error) from error

    def _follow(self, response: http.client.HTTPResponse) -> bool:
        """Takes the URL of a redirection; returns False if it is none."""
        location = response.headers.get("Location")
        if response.status not in _REDIRECTIONS or not location:
            return False
        old = self.url
        url = parse_url(urljoin(old.without_user, location), ("http", "https"))
        # Another server must not get the password, nor may it be sent unencrypted.
        is_same_host = url.host.lower() == old.host.lower()
        if is_same_host and (url.scheme == "https" or old.scheme == "http"):
            url = url._replace(user=old.user, password=old.password)
        else:
            self._login = None
        self.url = url
        return True

    def _choose_login(self, response: http.client.HTTPResponse) -> Login | None:
        if self.url.user is None:
            return None
        challenges = response.headers.get_all("WWW-Authenticate") or []
        return choose_login(challenges, self.url.user, self.url.password or "")

    def _refused(self, response: http.client.HTTPResponse) -> RequestError:
        name = self.url.name
        if response.status != 401:
            answer = f"{response.status} {response.reason}"
            return RequestError(
                f"{name}: the server answers {answer}; check the address."
            )
        if self.url.user is None:
            return RequestError(
                f"{name}: the server wants a password; write it as "
                f"{self.url.scheme}://USER:PASSWORD@HOST."
            )
        if self._choose_login(response) is None:
            return RequestError(
                f"{name}: the server wants a login other than Basic and Digest; change "
                "that in the camera's settings."
            )
        return RequestError(
            f"{name}: the server refuses the user name or the password; check both."
        )


def close(response: http.client.HTTPResponse, stream: socket.socket) -> None:
    """Closes a response and its socket."""
    response.close()
    stream.close()


def unreachable(name: str, error: Exception) -> RequestError:
    """Returns the error for a connection that failed."""
    why = str(error) or type(error).__name__
    return RequestError(
        f"{name}: cannot be reached ({why}); check the address and the network."
    )


def choose_login(challenges: Iterable[str], user: str, password: str) -> Login | None:
    """Returns how to log in; None if no offered way is known.

    Args:
        challenges: The headers `WWW-Authenticate` (RFC 9110, 11.6.1).
        user: Name of the user; a byte that is not UTF-8 is a surrogate.
        password: The same.
    """
    found = [
        challenge
        for header in challenges
        for challenge in re.split(r",\s*(?=(?:basic|digest)\b)", header, flags=re.I)
    ]
    for challenge in found:
        scheme, _, rest = challenge.strip().partition(" ")
        if scheme.lower() == "digest" and (digest := _read_digest(rest)) is not None:
            return _Digest(user, password, **digest).authorize
    if any(challenge.strip().lower().startswith("basic") for challenge in found):
        encoded = base64.b64encode(_to_bytes(f"{user}:{password}")).decode()
        return lambda target: f"Basic {encoded}"
    return None


def _read_digest(text: str) -> dict[str, Any] | None:
    """Returns the fields of `_Digest`; None if it is of a kind that we lack."""
    # Of a parameter that is repeated, the first counts.
    values = {
        name.lower(): quoted or plain
        for name, quoted, plain in reversed(_PARAMETER.findall(text))
    }
    algorithm = values.get("algorithm", "MD5")
    offered = re.split(r"[\s,]+", values.get("qop", "").lower())
    is_known = algorithm.upper().removesuffix("-SESS") in _HASHES
    if not is_known or "nonce" not in values or not {"", "auth"} & set(offered):
        return None
    return {
        "realm": values.get("realm", ""),
        "nonce": values["nonce"],
        "opaque": values.get("opaque", ""),
        "algorithm": algorithm if "algorithm" in values else "",
        "qop": "auth" if "auth" in offered else "",
    }


@dataclass
class _Digest:
    """Digest access authentication (RFC 7616, 3.4)."""

    user: str
    password: str
    realm: str
    nonce: str
    opaque: str
    algorithm: str
    qop: str
    requests: int = 0

    def authorize(self, target: str) -> str:
        """Returns the header of the next request."""
        self.requests += 1
        count, own_nonce = f"{self.requests:08x}", secrets.token_hex(8)
        key = self._hash(self.user, self.realm, self.password)
        if self.algorithm.upper().endswith("-SESS"):
            key = self._hash(key, self.nonce, own_nonce)
        extra = (count, own_nonce, self.qop) if self.qop else ()
        request = self._hash("GET", target)
        quoted = {
            "username": re.sub(r'(["\\])', r"\\\1", self.user),
            "realm": self.realm,
            "nonce": self.nonce,
            "uri": target,
            "response": self._hash(key, self.nonce, *extra, request),
        }
        if self.opaque:
            quoted["opaque"] = self.opaque
        fields = [f'{name}="{value}"' for name, value in quoted.items()]
        if self.algorithm:
            fields.append(f"algorithm={self.algorithm}")
        if self.qop:
            fields += [f"qop={self.qop}", f"nc={count}", f'cnonce="{own_nonce}"']
        # http.client sends headers as Latin-1, which keeps every byte.
        return _to_bytes(f"Digest {', '.join(fields)}").decode("latin-1")

    def _hash(self, *words: str) -> str:
        kind = _HASHES[(self.algorithm or "MD5").upper().removesuffix("-SESS")]
        data = _to_bytes(":".join(words))
        return hashlib.new(kind, data, usedforsecurity=False).hexdigest()


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
