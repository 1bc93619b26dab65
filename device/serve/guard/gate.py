"""What every request passes: access control, response headers, the request count."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi.responses import JSONResponse

from corallite.device.serve.guard.access import Access
from corallite.device.serve.guard.connection import CLIENT_LEFT
from corallite.device.serve.guard.refusal import Refusal, busy

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Count = Callable[[str, str, int, float], None]

# The page loads before it can ask for the token; probes send none.
CAPTURE_PATH = "/capture"
_OPEN_PATHS = ("/", CAPTURE_PATH, "/healthz", "/readyz", "/openapi.json")
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
    """ASGI middleware around the application; the server runs it."""

    def __init__(self, app: Application, access: Access, count: Count) -> None:
        """Wraps `app`.

        Args:
            app: Gets the admitted requests.
            access: What a request must present.
            count: Called after each response with its method, its route or "other",
                its status, and its duration in seconds.
        """
        self._app = app
        self._access = access
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request; the ASGI interface."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start_s = time.perf_counter()
        status, has_started = 500, False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, has_started
            if message["type"] == "http.response.start":
                status, has_started = message["status"], True
                message["headers"] = _add_headers(list(message.get("headers", ())))
            await send(message)

        try:
            app = self._refuse(scope) or self._app
            await app(scope, receive, send_with_headers)
        except asyncio.CancelledError:
            if CLIENT_LEFT in scope:
                status = 499  # For the metrics.
                return
            # The server stops; uvicorn would log this as an error of the application.
            if has_started:
                raise
            refusal = busy("The server is stopping; send the request again.")
            await error_response(refusal)(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - start_s
            self._count(_method(scope), _route(scope), status, seconds)

    def _refuse(self, scope: Scope) -> Application | None:
        """Returns the error response to a request without access."""
        headers = {name.lower(): value for name, value in scope["headers"]}

        def read(name: bytes) -> str:
            return headers.get(name, b"").decode("latin-1")

        if not self._access.is_for_us(read(b"host")):
            sentence = (
                "This server accepts requests only from its own machine, to 127.0.0.1; "
                "use that address, or set a token."
            )
            return error_response(Refusal(421, sentence))
        path = scope["path"]
        if path in _OPEN_PATHS or path.startswith(PAGE_PREFIX):
            return None
        if self._access.admits(read(b"authorization"), read(b"cookie")):
            return None
        sentence = "The token is missing or wrong; send Authorization: Bearer TOKEN."
        return error_response(Refusal(401, sentence, {"WWW-Authenticate": "Bearer"}))


def error_response(refusal: Refusal) -> JSONResponse:
    """Returns the HTTP response for a refusal."""
    content = {"error": refusal.sentence}
    return JSONResponse(content, refusal.status, headers=refusal.headers)


def _add_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    if not any(name == b"cache-control" for name, _ in headers):
        headers.append((b"cache-control", b"no-store"))
    return [*headers, *_HEADERS]


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route(scope: Scope) -> str:
    """Returns the route's own path: paths that clients invent must not fill memory."""
    return getattr(scope.get("route"), "path", "other")
