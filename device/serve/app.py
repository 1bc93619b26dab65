"""Builds the HTTP application: routes, error responses, access control."""

from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPBearer

from corallite.device.serve.backend.metrics import Metrics
from corallite.device.serve.backend.service import Service
from corallite.device.serve.capture.open_capture import Capture
from corallite.device.serve.guard.access import Access
from corallite.device.serve.guard.admission import Admission
from corallite.device.serve.guard.body_memory import BodyMemory
from corallite.device.serve.guard.gate import Gate, error_response
from corallite.device.serve.guard.refusal import ClientLeftError, Refusal
from corallite.device.serve.guard.same_origin import SameOrigin
from corallite.device.serve.live.stream import Streams
from corallite.device.serve.routes import classify, pages, responses, session, state
from corallite.device.serve.routes.capture import capture_routes


def create_app(
    service: Service,
    access: Access,
    metrics: Metrics,
    capture: Capture | None = None,
) -> Gate:
    """Returns the ASGI application to run.

    Args:
        service: Classifies images and describes the state.
        access: What a request must present.
        metrics: Counts the requests; also served at /metrics.
        capture: What the page /capture works with; None: there is no such page.
    """
    app = FastAPI(
        title="Corallite",
        summary="A camera that knows what it sees.",
        version="1",
        docs_url=None,  # It loads its script from another site.
        redoc_url=None,
        exception_handlers=_exception_handlers(),
        # A redirect would go to the host that the client named in its Host header.
        redirect_slashes=False,
    )
    camera, limits = service.camera, service.limits
    admission, memory = Admission(limits), BodyMemory(limits)
    streams = Streams(camera, limits, service.stop) if camera else None
    metrics.watch(
        service.describe_state,
        lambda: {
            "requests_running": admission.running,
            "request_bodies": memory.bodies,
            "request_bytes": memory.count,
            "requests_waiting": admission.waiting,
            "stream_clients": streams.clients if streams else 0,
        },
        service.list_box_labels,
    )
    service.has_capture = capture is not None
    pages.add_pages(app, service.has_capture)
    app.include_router(state.health_routes(service))
    needs_token = [Depends(HTTPBearer(auto_error=False))] if access.token else []
    errors = responses.errors(*((401, 421) if access.token else (421,)))
    routers = [
        classify.classify_routes(service, admission, memory),
        state.state_routes(service, metrics, streams),
        session.session_routes(access),
    ]
    if capture is not None:
        routers.append(capture_routes(capture))
    for router in routers:
        app.include_router(router, dependencies=needs_token, responses=errors)
    return Gate(SameOrigin(app, access), access, metrics.count_request)


def _exception_handlers() -> dict[Any, Any]:
    async def refuse(request: Request, refusal: Refusal) -> Response:
        return error_response(refusal)

    async def drop(request: Request, error: ClientLeftError) -> Response:
        return Response(status_code=499)  # The client is gone; for the metrics.

    async def explain(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        # Of a body that is not JSON, the position is given.
        names = [part for part in first["loc"][1:] if isinstance(part, str)]
        where = ".".join(names) or "The body"
        return error_response(Refusal(422, f"{where}: {first['msg'].rstrip('.')}."))

    async def malformed(request: Request, error: Any) -> Response:
        return error_response(Refusal(400, "The body is not JSON; correct it."))

    async def not_found(request: Request, error: Any) -> Response:
        return error_response(Refusal(404, "No such path; see /openapi.json."))

    async def not_allowed(request: Request, error: Any) -> Response:
        sentence = f"This path does not accept {request.method}; see /openapi.json."
        return JSONResponse({"error": sentence}, 405, headers=error.headers)

    async def broken(request: Request, error: Exception) -> Response:
        return error_response(Refusal(500, "Internal server error; see the log."))

    return {
        Refusal: refuse,
        ClientLeftError: drop,
        RequestValidationError: explain,
        400: malformed,
        404: not_found,
        405: not_allowed,
        Exception: broken,
    }
