"""The files of the live page."""

import mimetypes
from collections.abc import Awaitable, Callable
from importlib import resources

from fastapi import FastAPI
from fastapi.responses import Response

from corallite.device.serve.guard.gate import CAPTURE_PATH, PAGE_PREFIX

_PATHS = {"index.html": "/", "capture.html": CAPTURE_PATH}


def add_pages(app: FastAPI, has_capture: bool = False) -> None:
    """Adds the page at / and its files below /page/, read once into memory.

    Args:
        app: The application.
        has_capture: Whether the page /capture is added, too.
    """
    folder = resources.files("corallite.device.serve") / "page"
    for file in folder.iterdir():
        if file.name.startswith("capture.") and not has_capture:
            continue
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        paths = [PAGE_PREFIX + file.name]
        if file.name in _PATHS:
            paths.append(_PATHS[file.name])
        for path in paths:
            endpoint = _serve_file(file.read_bytes(), kind)
            app.add_api_route(path, endpoint, include_in_schema=False)


def _serve_file(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    async def serve() -> Response:
        headers = {"Cache-Control": "no-cache"}
        return Response(content, media_type=kind, headers=headers)

    return serve
