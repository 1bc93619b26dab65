"""The addresses that the server answers to, and what it says of them."""

import mimetypes
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPBearer

from corallite.device.serve.guard.access import COOKIE, Access
from corallite.device.serve.guard.admission import Admission
from corallite.device.serve.guard.gate import PAGE_PREFIX, Gate, answer_refusal
from corallite.device.serve.live import stream
from corallite.device.serve.metrics import CONTENT_TYPE, Metrics
from corallite.device.serve.refusal import ClientLeftError, Refusal
from corallite.device.serve.service import Service
from corallite.device.serve.uploads import bodies, body

_SESSION_S = 30 * 24 * 3600
_MOST_LABELS = 1000
_SENTENCES = {
    400: "It is no image of a known kind, is damaged or cut short.",
    401: "No token, or a wrong one.",
    404: "There is no camera.",
    408: "The body took too long.",
    413: "Too many bytes or pixels.",
    415: "The content type is not one of an image.",
    421: "Another machine's name was asked for.",
    422: "A parameter or a field is missing or out of its range.",
    503: "Busy, or not ready; try again.",
}
_RETRY_AFTER = {
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}
}
_BINARY = {"type": "string", "format": "binary"}


def create_app(service: Service, access: Access, metrics: Metrics) -> Gate:
    """Returns the application to run.

    Args:
        service: What answers.
        access: What a request must show.
        metrics: Counts; and is shown at /metrics.
    """
    app = FastAPI(
        title="Corallite",
        summary="A camera that knows what it sees.",
        version="1",
        docs_url=None,  # It loads its script from another site.
        redoc_url=None,
        exception_handlers=_exception_handlers(),
        # It would send clients to an address made of the Host that they gave.
        redirect_slashes=False,
    )
    admission = Admission(service.limits)
    streams = _make_streams(service)
    metrics.watch(
        service.describe_state,
        lambda: {
            "requests_running": admission.running,
            "requests_waiting": admission.waiting,
            "stream_clients": streams.clients if streams else 0,
        },
    )
    _add_page(app)
    app.include_router(_health_routes(service))
    needs_token = [Depends(HTTPBearer(auto_error=False))] if access.token else []
    for router in (
        _classify_routes(service, admission),
        _state_routes(service, metrics, streams),
        _session_routes(access),
    ):
        codes = (401, 421) if access.token else (421,)
        app.include_router(router, dependencies=needs_token, responses=_errors(*codes))
    return Gate(app, access, metrics.count_request)


def _make_streams(service: Service) -> stream.Streams | None:
    if service.camera is None:
        return None
    return stream.Streams(service.camera, service.limits, service.stop)


def _classify_routes(service: Service, admission: Admission) -> APIRouter:
    router = APIRouter()
    image = {kind: {"schema": _BINARY} for kind in body.IMAGE_TYPES}
    form = {
        "type": "object",
        "required": [body.FIELD],
        "properties": {body.FIELD: _BINARY},
    }
    content = {**image, body.FORM_TYPE: {"schema": form}}

    @router.post(
        "/v1/classify",
        summary="Says what is on an image.",
        response_model=bodies.AnswerBody,
        responses=_errors(400, 408, 413, 415, 422, 503),
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )
    async def classify(
        request: Request,
        top_k: int = Query(3, ge=1, le=_MOST_LABELS, description="Labels to give."),
    ) -> Any:
        body.check_head(request, service.limits)
        async with admission.enter():
            data = await body.read_image_bytes(request, service.limits)
            return await service.answer(data, top_k)

    return router


def _state_routes(
    service: Service, metrics: Metrics, streams: stream.Streams | None
) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/model", summary="Which model it is, and how.")
    async def model() -> bodies.ModelBody:
        return service.describe_model()

    @router.get("/v1/state", summary="What the live page shows but the picture.")
    async def state() -> bodies.StateBody:
        return service.describe_state()

    @router.get(
        "/metrics",
        summary="For Prometheus.",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def read_metrics() -> Response:
        return Response(metrics.to_text(), media_type=CONTENT_TYPE)

    kind = stream.MEDIA_TYPE.partition(";")[0]

    @router.get(
        "/stream.mjpg",
        summary="The newest picture, again and again.",
        response_class=Response,
        responses={
            200: {"content": {kind: {"schema": _BINARY}}},
            **_errors(404, 503),
        },
    )
    async def watch() -> Response:
        if streams is None:
            raise Refusal(404, "There is no camera; start the server with --source.")
        return streams.open()

    return router


def _session_routes(access: Access) -> APIRouter:
    router = APIRouter()

    @router.post(
        "/v1/session",
        summary="Takes the token once, and gives the browser a cookie.",
        status_code=204,
        response_class=Response,
    )
    async def open_session() -> Response:
        response = Response(status_code=204)
        if access.token is not None:
            response.set_cookie(
                COOKIE,
                access.session(),
                max_age=_SESSION_S,
                secure=access.is_tls,
                httponly=True,
                samesite="strict",
            )
        return response

    return router


def _health_routes(service: Service) -> APIRouter:
    router = APIRouter(responses=_errors(421))

    @router.get("/healthz", summary="Whether the process answers.")
    async def healthz() -> bodies.HealthBody:
        return bodies.HealthBody(status="alive")

    @router.get(
        "/readyz",
        summary="Whether there are answers from the model and the camera.",
        responses=_errors(503),
    )
    async def readyz() -> bodies.HealthBody:
        reason = service.why_not_ready()
        if reason is not None:
            raise Refusal(503, reason, {"Retry-After": "1"})
        return bodies.HealthBody(status="ready")

    return router


def _add_page(app: FastAPI) -> None:
    folder = resources.files("corallite.device.serve") / "page"
    for file in folder.iterdir():
        content = file.read_bytes()
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        paths = [PAGE_PREFIX + file.name]
        if file.name == "index.html":
            paths.append("/")
        for path in paths:
            answer = _answer_with(content, kind)
            app.add_api_route(path, answer, include_in_schema=False)


def _answer_with(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        headers = {"Cache-Control": "no-cache"}
        return Response(content, media_type=kind, headers=headers)

    return answer


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        found[status] = {
            "model": bodies.ErrorBody,
            "description": _SENTENCES[status],
        }
        if status == 503:
            found[status]["headers"] = _RETRY_AFTER
    return found


def _exception_handlers() -> dict[Any, Any]:
    async def refuse(request: Request, refusal: Refusal) -> Response:
        return answer_refusal(refusal)

    async def drop(request: Request, error: ClientLeftError) -> Response:
        return Response(status_code=499)  # Nobody reads it; it is counted.

    async def explain(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return answer_refusal(Refusal(422, f"{where}: {first['msg']}."))

    async def not_found(request: Request, error: Any) -> Response:
        return answer_refusal(Refusal(404, "No such address; see /openapi.json."))

    async def not_allowed(request: Request, error: Any) -> Response:
        sentence = f"{request.method} is not for this address; see /openapi.json."
        content = {"error": sentence}
        return JSONResponse(content, 405, headers=error.headers)

    async def broken(request: Request, error: Exception) -> Response:
        return answer_refusal(Refusal(500, "A mistake of ours; see the log."))

    return {
        Refusal: refuse,
        ClientLeftError: drop,
        RequestValidationError: explain,
        404: not_found,
        405: not_allowed,
        Exception: broken,
    }
