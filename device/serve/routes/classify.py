"""The route that classifies an uploaded image."""

from typing import Any

from fastapi import APIRouter, Query, Request

from corallite.device.serve.backend.schemas import AnswerBody
from corallite.device.serve.backend.service import Service, estimate_pixels
from corallite.device.serve.guard.admission import Admission
from corallite.device.serve.guard.body_memory import BodyMemory
from corallite.device.serve.routes import upload
from corallite.device.serve.routes.responses import BINARY, errors

_MAX_LABELS = 1000


def classify_routes(
    service: Service, admission: Admission, memory: BodyMemory
) -> APIRouter:
    """Returns /v1/classify.

    Args:
        service: Classifies the images.
        admission: Limits the images that are classified at once.
        memory: Limits the bodies that are read.
    """
    router = APIRouter()
    form: dict[str, Any] = {
        "type": "object",
        "required": [upload.FIELD],
        "properties": {upload.FIELD: BINARY},
    }
    content: dict[str, Any] = {kind: {"schema": BINARY} for kind in upload.IMAGE_TYPES}
    content[upload.FORM_TYPE] = {"schema": form}

    @router.post(
        "/v1/classify",
        summary="Classifies an image.",
        response_model=AnswerBody,
        responses=errors(400, 408, 413, 415, 422, 503),
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )
    async def classify(
        request: Request,
        top_k: int = Query(
            3, ge=1, le=_MAX_LABELS, description="How many labels to return."
        ),
    ) -> Any:
        upload.check_headers(request, service.limits)
        admission.refuse_if_full()
        async with memory.hold() as held:
            data = await upload.read_image_bytes(request, service.limits, memory, held)
            async with admission.enter(estimate_pixels(data, service.limits)):
                return await service.classify(data, top_k)

    return router
