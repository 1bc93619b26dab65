"""The routes of the page /capture: classes, photos, recording, teaching.

Those that change something take JSON, and pass `SameOrigin` first.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from fastapi import APIRouter, Query
from fastapi.responses import Response

from corallite.device.serve.capture import bodies, preview
from corallite.device.serve.capture.open_capture import Capture
from corallite.device.serve.capture.photo_folder import PhotoFolder
from corallite.device.serve.capture.recorder import Recorded
from corallite.device.serve.guard.refusal import Refusal
from corallite.device.serve.guard.same_origin import PREFIX
from corallite.device.serve.routes.responses import BINARY, errors
from corallite.device.system.errors import RequestError
from corallite.device.system.files import printable
from corallite.device.system.log_throttle import Failures

_T = TypeVar("_T")
_WRITING = errors(400, 403, 408, 409, 411, 413, 415, 422)
_READING = errors(409, 422)
_JPEG = {"image/jpeg": {"schema": BINARY}}
# A name is unique, and the content behind it does not change.
_HEADERS = {"Cache-Control": "private, max-age=3600"}
_MOST_NAMES = 200
_failures = Failures()
_LABEL = Query(None, description="The class; without it, photos that wait for one.")


def capture_routes(capture: Capture) -> APIRouter:
    """Returns the routes below /v1/capture."""
    router = APIRouter(prefix=PREFIX)
    _add_reading(router, capture)
    _add_classes(router, capture)
    _add_recording(router, capture)
    _add_teaching(router, capture)
    return router


def _add_reading(router: APIRouter, capture: Capture) -> None:
    # One photo at a time is decoded, however many a page asks for.
    turn = asyncio.Semaphore(1)

    @router.get("", summary="Returns all data of the page.", responses=_READING)
    async def state() -> bodies.CaptureBody:
        return await _attempt(lambda: bodies.describe_capture(capture))

    @router.get(
        "/photos", summary="Returns names of photos of a class.", responses=_READING
    )
    async def photos(
        label: str | None = _LABEL,
        start: int = Query(0, ge=0, le=10**6, description="How many to leave out."),
        count: int = Query(24, ge=1, le=_MOST_NAMES, description="How many to name."),
    ) -> bodies.PhotosBody:
        names = await _attempt(lambda: _find(capture, label).names())
        return bodies.PhotosBody(count=len(names), photos=names[start : start + count])

    @router.get(
        "/photo",
        summary="Returns a photo, made smaller.",
        response_class=Response,
        responses={200: {"content": _JPEG}, **_READING},
    )
    async def photo(
        photo: str = Query(description="Its name."),
        label: str | None = _LABEL,
        large: bool = Query(False, description="1280 pixels wide or high, not 192."),
    ) -> Response:
        side = preview.PICTURE_SIDE if large else preview.THUMBNAIL_SIDE

        def read() -> bytes:
            return preview.make_preview(_find(capture, label).read(photo), side)

        async with turn:
            jpeg = await _attempt(read)
        return Response(jpeg, media_type="image/jpeg", headers=_HEADERS)


def _add_classes(router: APIRouter, capture: Capture) -> None:
    album = capture.album

    @router.post("/classes", summary="Creates a class.", responses=_WRITING)
    async def add_class(body: bodies.ClassBody) -> bodies.ClassBody:
        label = await _attempt(lambda: album.add_class(body.label))
        return bodies.ClassBody(label=label)

    @router.post(
        "/classes/delete", summary="Deletes a class without photos.", responses=_WRITING
    )
    async def delete_class(body: bodies.ClassBody) -> bodies.EmptyBody:
        await _attempt(lambda: album.remove_class(body.label))
        return bodies.EmptyBody()

    @router.post(
        "/photos/move", summary="Moves a photo to another class.", responses=_WRITING
    )
    async def move_photo(body: bodies.MoveBody) -> bodies.EmptyBody:
        def move() -> None:
            album.move(_find(capture, body.label), body.photo, body.to)

        await _attempt(move)
        return bodies.EmptyBody()

    @router.post("/photos/delete", summary="Deletes a photo.", responses=_WRITING)
    async def delete_photo(body: bodies.PhotoBody) -> bodies.EmptyBody:
        await _attempt(lambda: _find(capture, body.label).delete(body.photo))
        return bodies.EmptyBody()


def _add_recording(router: APIRouter, capture: Capture) -> None:
    recorder = capture.recorder

    @router.post(
        "/record",
        summary="Records the camera for a second; repeated while a button is held.",
        responses=_WRITING,
    )
    async def record(body: bodies.RecordBody) -> bodies.RecordedBody:
        return _describe(await _attempt(lambda: recorder.hold(body.label, body.key)))

    @router.post("/release", summary="Ends a recording.", responses=_WRITING)
    async def release(body: bodies.ReleaseBody) -> bodies.RecordedBody:
        return _describe(recorder.release(body.key))


def _add_teaching(router: APIRouter, capture: Capture) -> None:
    @router.post(
        "/teach",
        summary="Begins to teach a model.",
        responses=_WRITING,
        status_code=202,
    )
    async def teach(body: bodies.EmptyBody) -> bodies.EmptyBody:
        await _attempt(capture.teacher.start)
        return body

    @router.post(
        "/former",
        summary="Exchanges the model and the one before it.",
        responses=_WRITING,
    )
    async def exchange(body: bodies.EmptyBody) -> bodies.EmptyBody:
        await _attempt(capture.exchange_models)
        return body


def _find(capture: Capture, label: str | None) -> PhotoFolder:
    if label is not None:
        return capture.album.find(label)
    if capture.uncertain is None:
        raise RequestError("No uncertain frames are kept; give --keep_uncertain.")
    return capture.uncertain


async def _attempt(action: Callable[[], _T]) -> _T:
    """Runs `action`, which reads or writes files, in a thread.

    Raises:
        Refusal: 409, with the message of the `RequestError`.
    """
    try:
        return await asyncio.to_thread(action)
    except RequestError as error:
        # An error of the disk, not of the user.
        if isinstance(error.__cause__, OSError):
            _failures.note(str(error))
        raise Refusal(409, printable(str(error))) from None


def _describe(recorded: Recorded) -> bodies.RecordedBody:
    problem = printable(recorded.problem)
    return bodies.RecordedBody(**recorded._replace(problem=problem)._asdict())
