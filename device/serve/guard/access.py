"""Who may ask: a token, or whoever is on this machine."""

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
# Guessing 16 characters over a network takes longer than any camera lasts.
_MIN_TOKEN_CHARACTERS = 16


@dataclass(frozen=True)
class Access:
    """What a request must show.

    Attributes:
        token: To be sent as `Authorization: Bearer`; None: nothing is asked for.
        local_only: Requests must name this machine as their host, so that no web
            site can have its own name lead here (DNS rebinding).
        is_tls: The connection is encrypted.
    """

    token: str | None = None
    local_only: bool = False
    is_tls: bool = False

    def admits(self, authorization: str, cookies: str) -> bool:
        """Tells whether the headers Authorization or Cookie hold what is asked for."""
        if self.token is None:
            return True
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return _equal(given.strip(), self.token)
        return _equal(_read_cookie(cookies), self.session())

    def session(self) -> str:
        """Returns what a browser keeps instead of the token, which it cannot tell.

        The same after a restart; another as soon as the token is another.
        """
        key = (self.token or "").encode("utf-8", "surrogateescape")
        return hmac.new(key, b"corallite session", hashlib.sha256).hexdigest()

    def is_for_us(self, host: str) -> bool:
        """Tells whether the header Host names this machine, or needs not."""
        if not self.local_only or not host:
            return True
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return is_loopback(name.strip("[]").lower())


def is_loopback(host: str) -> bool:
    """Tells whether a host's name or address can be reached from here alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_access(
    host: str, token_file: str | None, tls_cert: str | None, tls_key: str | None
) -> Access:
    """Returns what is asked for on `host`.

    Args:
        host: Where the server listens.
        token_file: Has a token and no more; default, the environment's, or none.
        tls_cert: A file with the certificate and its chain.
        tls_key: A file with its key; neither is given without the other.

    Raises:
        RequestError: A file cannot be used, or the network would be let in freely.
    """
    token = _read_token(token_file)
    _check_tls(tls_cert, tls_key)
    if is_loopback(host):
        return Access(token, local_only=token is None, is_tls=bool(tls_cert))
    if token is None and not tls_cert:
        raise RequestError(
            f"--host={host}: would show the camera to the whole network; give "
            f"--token_file (or {TOKEN_VARIABLE}), or --tls_cert and --tls_key."
        )
    if not tls_cert:
        log.warning("Without --tls_cert the token can be read on the network.")
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
            f"{where}: holds no token of at least {_MIN_TOKEN_CHARACTERS} ASCII "
            "characters; make one with: openssl rand -hex 32"
        )
    return token


def _read_token_file(path: Path) -> str:
    try:
        # It may well be a pipe, into which a keeper of secrets writes.
        text = files.read_limited(path).decode(errors="replace")
        if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            log.warning("%s: others can read it; chmod 600 it.", path)
    except OSError as error:
        raise RequestError(
            f"{path}: cannot be read ({error.strerror}); check its name and rights."
        ) from error
    return text


def _check_tls(tls_cert: str | None, tls_key: str | None) -> None:
    if bool(tls_cert) != bool(tls_key):
        raise RequestError("--tls_cert and --tls_key go together; give both.")
    if tls_cert and tls_key:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            for path in (tls_cert, tls_key):
                files.require_regular(path)
            # A password, which OpenSSL would ask the terminal for, is none.
            context.load_cert_chain(tls_cert, tls_key, password="")
        except (OSError, ValueError) as error:
            raise RequestError(
                f"--tls_cert={tls_cert}, --tls_key={tls_key}: are no certificate and "
                f"its key in PEM without a password ({error}); check both."
            ) from error


def _read_cookie(cookies: str) -> str:
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _equal(given: str, expected: str) -> bool:
    """Compares in a time that does not tell how much is right."""
    return hmac.compare_digest(
        given.encode("utf-8", "replace"), expected.encode("utf-8", "replace")
    )
