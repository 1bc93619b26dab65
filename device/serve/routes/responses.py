"""How OpenAPI describes the error responses and binary content."""

from typing import Any

from corallite.device.serve.backend.schemas import ErrorBody

BINARY = {"type": "string", "format": "binary"}
_DESCRIPTIONS = {
    400: "The body has an unknown format, is damaged or is cut short.",
    401: "The token is missing or wrong.",
    403: "The request comes from a page of another site.",
    404: "There is no camera.",
    408: "The body took too long to arrive.",
    409: "It cannot be done now: for example, the photo does not exist any more.",
    411: "The length of the body is missing.",
    413: "The body or the image is too large.",
    415: "The content type is not supported.",
    421: "The Host header names another machine.",
    422: "A parameter or a field is missing or out of range.",
    503: "Busy or not ready; try again.",
}
_RETRY_AFTER = {
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns FastAPI's `responses` for these HTTP statuses."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        found[status] = {"model": ErrorBody, "description": _DESCRIPTIONS[status]}
        if status == 503:
            found[status]["headers"] = _RETRY_AFTER
    return found
