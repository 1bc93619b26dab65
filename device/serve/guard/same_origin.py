"""Lets only our own page, and programs other than browsers, change something.

A browser also sends the cookie, or reaches a server without a token, for a page of
another site. Two things stop such a page: the browser names the origin of a request,
and it sends JSON only after a CORS preflight, which is not answered. Without a token, a
site could also give its own name to the address of this machine (DNS rebinding), so
other host names are refused.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping

from corallite.device.serve.guard.access import Access
from corallite.device.serve.guard.gate import (
    Application,
    Message,
    Receive,
    Scope,
    Send,
    error_response,
)
from corallite.device.serve.guard.refusal import Refusal

PREFIX = "/v1/capture"
MOST_BODY_BYTES = 4096
_BODY_S = 10.0
_READING = ("GET", "HEAD", "OPTIONS")


class SameOrigin:
    """ASGI middleware for requests below `PREFIX` that change something.

    It reads the body before the application does: at most 4 kB, in at most 10 s.
    """

    def __init__(self, app: Application, access: Access) -> None:
        """Wraps `app`.

        Args:
            app: Gets the admitted requests.
            access: If it has a token, any host name is accepted.
        """
        self._app = app
        self._needs_own_name = access.token is None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request; the ASGI interface."""
        if not _is_writing(scope):
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        try:
            check_origin(headers)
            if self._needs_own_name:
                check_host(headers.get("host", ""), socket.gethostname())
            _check_body(headers)
            receive = await _read_body(receive)
        except Refusal as refusal:
            await error_response(refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def check_origin(headers: Mapping[str, str]) -> None:
    """Refuses a request that a browser sends for a page of another site.

    Args:
        headers: The headers, by name in lower case.

    Raises:
        Refusal: 403, if it is from another site.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        # The browser compares sites itself, so a proxy may change the host.
        is_ours = site == "same-origin"
    else:
        # Browsers leave it out for http:// addresses other than localhost.
        is_ours = origin is None or origin.partition("://")[2] == headers.get("host")
    if not is_ours:
        sentence = "The request comes from another site; use the page /capture."
        raise Refusal(403, sentence)


def check_host(host: str, machine: str) -> None:
    """Refuses a request whose Host header is not a name of this machine.

    Args:
        host: The header: an address or a name, maybe with a port; "" if it is missing.
        machine: The name of this machine.

    Raises:
        Refusal: 403, if it is another name.
    """
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    short = machine.lower().partition(".")[0]
    own = ("", "localhost", machine.lower(), short, f"{short}.local")
    if name.lower() in own or _is_address(name.strip("[]")):
        return
    sentence = (
        f"Without a token, nothing can be changed under the name {name}; use the IP "
        "address of this machine, or set a token."
    )
    raise Refusal(403, sentence)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_writing(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] in _READING:
        return False
    return scope["path"] == PREFIX or scope["path"].startswith(f"{PREFIX}/")


def _check_body(headers: Mapping[str, str]) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        sentence = f"Content-Type is {kind or 'missing'}; send application/json."
        raise Refusal(415, sentence)
    length = headers.get("content-length", "")
    if not (length.isdecimal() and len(length) < 10):
        raise Refusal(411, "The length of the body is missing; send Content-Length.")
    if int(length) > MOST_BODY_BYTES:
        sentence = f"The body has more than {MOST_BODY_BYTES} bytes; send less."
        raise Refusal(413, sentence)


async def _read_body(receive: Receive) -> Receive:
    """Reads a whole body; returns a `receive` that gives it again."""
    try:
        body = await asyncio.wait_for(_read_all(receive), _BODY_S)
    except asyncio.TimeoutError:
        raise Refusal(408, "The body took too long; send it again.") from None
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return whole.pop() if whole else await receive()

    return receive_again


async def _read_all(receive: Receive) -> bytes:
    body, has_more = b"", True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "The body is cut short; send it again.")
        body += message.get("body", b"")
        has_more = message.get("more_body", False)
    return body
