"""The route that exchanges the token for a browser cookie."""

from fastapi import APIRouter
from fastapi.responses import Response

from corallite.device.serve.guard.access import COOKIE, Access

_SESSION_S = 30 * 24 * 3600


def session_routes(access: Access) -> APIRouter:
    """Returns /v1/session; the token itself was checked before."""
    router = APIRouter()

    @router.post(
        "/v1/session",
        summary="Accepts the token once and sets a cookie.",
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
