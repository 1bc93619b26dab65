"""Who may send requests: holders of a token, or programs on this machine."""

import hashlib
import hmac
import ipaddress
import os
import ssl
import stat
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from corallite.device.system import files, log
from corallite.device.system.errors import RequestError

TOKEN_VARIABLE = "CORALLITE_TOKEN"
COOKIE = "corallite_session"
# Guessing 16 characters over a network takes longer than the life of a camera.
_MIN_TOKEN_CHARACTERS = 16


@dataclass(frozen=True)
class Access:
    """What a request must present.

    Attributes:
        token: Sent as `Authorization: Bearer`; None: no token is required.
        local_only: The Host header must name this machine. This blocks web sites
            whose name resolves to it (DNS rebinding).
        is_tls: The connection is encrypted.
    """

    token: str | None = None
    local_only: bool = False
    is_tls: bool = False

    def admits(self, authorization: str, cookies: str) -> bool:
        """Returns whether the header Authorization or Cookie grants access."""
        if self.token is None:
            return True
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return _equal(given.strip(), self.token)
        return _equal(_read_cookie(cookies), self.session())

    def session(self) -> str:
        """Returns the cookie's value, which does not reveal the token.

        It stays the same after a restart and changes with the token.
        """
        key = (self.token or "").encode("utf-8", "surrogateescape")
        return hmac.new(key, b"corallite session", hashlib.sha256).hexdigest()

    def is_for_us(self, host: str) -> bool:
        """Returns whether the Host header is acceptable."""
        if not self.local_only or not host:
            return True
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return is_loopback(name.strip("[]").lower())


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach a host name or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_access(
    host: str,
    token_file: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    is_public: bool = False,
) -> Access:
    """Returns what requests must present to a server on `host`.

    Args:
        host: Where the server listens.
        token_file: Contains only a token; default, that of the environment, or none.
        tls_cert: File with the certificate and its chain.
        tls_key: File with its key; required with `tls_cert`.
        is_public: Everyone on the network may have access, without a token.

    Raises:
        RequestError: A file cannot be used, the network would have free access, or
            both a token and free access are wanted.
    """
    token = _read_token(token_file)
    _check_tls(tls_cert, tls_key)
    if token is not None and is_public:
        raise RequestError(
            "--public: allows requests without a token, but a token is set; remove "
            f"--public, or --token_file and {TOKEN_VARIABLE}."
        )
    if is_loopback(host):
        return Access(token, local_only=token is None, is_tls=bool(tls_cert))
    # A certificate proves the server's name; anyone can still connect.
    if token is None and not is_public:
        raise RequestError(
            f"--host={host}: would show the camera to the whole network; set "
            f"--token_file (or {TOKEN_VARIABLE}), or --public if everyone may see it."
        )
    if token is not None and not tls_cert:
        log.warning("Without --tls_cert, others on the network can read the token.")
    return Access(token, is_tls=bool(tls_cert))


def _read_token(path: str | None) -> str | None:
    if path is None:
        token, where = os.environ.get(TOKEN_VARIABLE), TOKEN_VARIABLE
        if token is None:
            return None
    else:
        token, where = _read_token_file(Path(path)), path
    token = token.strip()
    if len(token) < _MIN_TOKEN_CHARACTERS or not token.isascii() or " " in token:
        raise RequestError(
            f"{where}: has no token of at least {_MIN_TOKEN_CHARACTERS} ASCII "
            "characters; make one with: openssl rand -hex 32"
        )
    return token


def _read_token_file(path: Path) -> str:
    with files.reporting_unreadable(path, "check its name and rights"):
        # It may be a pipe, into which a secrets manager writes.
        text = files.read_limited(path).decode(errors="replace")
        if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            log.warning("%s: other users can read it; run chmod 600.", path)
    return text


def _check_tls(tls_cert: str | None, tls_key: str | None) -> None:
    if bool(tls_cert) != bool(tls_key):
        raise RequestError("--tls_cert and --tls_key are used together; set both.")
    if tls_cert and tls_key:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            for path in (tls_cert, tls_key):
                files.require_regular(path)
            # Without a password, OpenSSL would ask for one on the terminal.
            context.load_cert_chain(tls_cert, tls_key, password="")
        except (OSError, ValueError) as error:
            raise RequestError(
                f"--tls_cert={tls_cert}, --tls_key={tls_key}: not a certificate and "
                f"its key in PEM without a password ({error}); check both files."
            ) from error


def _read_cookie(cookies: str) -> str:
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _equal(given: str, expected: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(
        given.encode("utf-8", "replace"), expected.encode("utf-8", "replace")
    )
