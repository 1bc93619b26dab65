"""What every request passes: who asks, what headers the answer has, the count."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi.responses import JSONResponse

from corallite.device.serve.guard.access import Access
from corallite.device.serve.refusal import Refusal, busy

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Count = Callable[[str, str, int, float], None]

# The page has to come before the token can be asked for; probes carry none.
_OPEN_PATHS = ("/", "/healthz", "/readyz", "/openapi.json")
PAGE_PREFIX = "/page/"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
_POLICY = (
    "default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Gate:
    """The application that a server runs, around the one that answers."""

    def __init__(self, app: Application, access: Access, count: Count) -> None:
        """Lets pass what `access` admits.

        Args:
            app: Answers.
            access: What a request must show.
            count: Called after each answer with its method, its route or "other",
                its status, and the seconds it took.
        """
        self._app = app
        self._access = access
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start_s = time.perf_counter()
        status, is_begun = 500, False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, is_begun
            if message["type"] == "http.response.start":
                status, is_begun = message["status"], True
                message["headers"] = _add_headers(list(message.get("headers", ())))
            await send(message)

        try:
            app = self._refuse(scope) or self._app
            await app(scope, receive, send_with_headers)
        except asyncio.CancelledError:
            # The server is to end and has waited. It would log that as our mistake.
            if is_begun:
                raise
            refusal = busy("The server ends; send the request again.")
            await answer_refusal(refusal)(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - start_s
            self._count(_method(scope), _route(scope), status, seconds)

    def _refuse(self, scope: Scope) -> Application | None:
        """Returns the answer to a request that may not pass."""
        headers = {name.lower(): value for name, value in scope["headers"]}

        def read(name: bytes) -> str:
            return headers.get(name, b"").decode("latin-1")

        if not self._access.is_for_us(read(b"host")):
            host = "127.0.0.1"
            sentence = (
                f"This server is for its own machine; ask {host}, or set a token."
            )
            return answer_refusal(Refusal(421, sentence))
        path = scope["path"]
        if path in _OPEN_PATHS or path.startswith(PAGE_PREFIX):
            return None
        if self._access.admits(read(b"authorization"), read(b"cookie")):
            return None
        sentence = "No token, or a wrong one; send Authorization: Bearer TOKEN."
        return answer_refusal(Refusal(401, sentence, {"WWW-Authenticate": "Bearer"}))


def answer_refusal(refusal: Refusal) -> JSONResponse:
    """Returns the answer that tells of a refusal."""
    content = {"error": refusal.sentence}
    return JSONResponse(content, refusal.status, headers=refusal.headers)


def _add_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    if not any(name == b"cache-control" for name, _ in headers):
        headers.append((b"cache-control", b"no-store"))
    return [*headers, *_HEADERS]


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route(scope: Scope) -> str:
    """Returns the route's own path: what clients make up must not fill memory."""
    return getattr(scope.get("route"), "path", "other")
