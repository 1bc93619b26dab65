"""The routes that report the model, the camera, metrics and health."""

from fastapi import APIRouter
from fastapi.responses import Response

from corallite.device.serve.backend.metrics import CONTENT_TYPE, Metrics
from corallite.device.serve.backend.schemas import HealthBody, ModelBody, StateBody
from corallite.device.serve.backend.service import Service
from corallite.device.serve.guard.refusal import Refusal, busy
from corallite.device.serve.live.stream import MEDIA_TYPE, Streams
from corallite.device.serve.routes.responses import BINARY, errors

_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_VIDEO = {MEDIA_TYPE.partition(";")[0]: {"schema": BINARY}}


def state_routes(
    service: Service, metrics: Metrics, streams: Streams | None
) -> APIRouter:
    """Returns the routes for the model, the state, the metrics and the video."""
    router = APIRouter()

    @router.get("/v1/model", summary="Returns the model's manifest and status.")
    async def model() -> ModelBody:
        return service.describe_model()

    @router.get("/v1/state", summary="Returns all data of the live page.")
    async def state() -> StateBody:
        return service.describe_state()

    @router.get(
        "/metrics",
        summary="Returns metrics for Prometheus.",
        response_class=Response,
        responses={200: {"content": _TEXT}},
    )
    async def read_metrics() -> Response:
        return Response(metrics.to_text(), media_type=CONTENT_TYPE)

    @router.get(
        "/stream.mjpg",
        summary="Streams the newest frames as MJPEG.",
        response_class=Response,
        responses={200: {"content": _VIDEO}, **errors(404, 503)},
    )
    async def watch() -> Response:
        if streams is None:
            raise Refusal(404, "There is no camera; start the server with --source.")
        return streams.open()

    return router


def health_routes(service: Service) -> APIRouter:
    """Returns the probes /healthz and /readyz, which need no token."""
    router = APIRouter(responses=errors(421))

    @router.get("/healthz", summary="Returns whether the process responds.")
    async def healthz() -> HealthBody:
        return HealthBody(status="alive")

    @router.get(
        "/readyz",
        summary="Returns whether the model and the camera give predictions.",
        responses=errors(503),
    )
    async def readyz() -> HealthBody:
        reason = service.why_not_ready()
        if reason is not None:
            raise busy(reason)
        return HealthBody(status="ready")

    return router
