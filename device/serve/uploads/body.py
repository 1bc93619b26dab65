"""Takes the image out of a request, and no more bytes than it may have."""

import asyncio
import logging as python_logging

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from corallite.device.serve.refusal import ClientLeftError, Limits, Refusal

IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")
FORM_TYPE = "multipart/form-data"
FIELD = "image"
# Of a form. To parse as many as 10 MB may hold takes seconds, in which nobody else is
# answered.
_MOST_FIELDS = 100
# It would write a line for each form that a client gets wrong.
python_logging.getLogger("python_multipart").setLevel(python_logging.ERROR)


def check_head(request: Request, limits: Limits) -> None:
    """Refuses what its headers alone rule out, before anything is read.

    Raises:
        Refusal: 413 or 415.
    """
    content_type = _content_type(request)
    if content_type not in (*IMAGE_TYPES, FORM_TYPE):
        raise Refusal(
            415,
            f"Content-Type is {content_type or 'missing'}; send "
            f"{', '.join(IMAGE_TYPES)}, or {FORM_TYPE} with a field {FIELD!r}.",
        )
    length = request.headers.get("content-length", "")
    # More digits than any limit has; int() refuses thousands of them.
    if length.isdecimal() and (len(length) > 18 or int(length) > limits.body_bytes):
        raise _too_large(limits)


async def read_image_bytes(request: Request, limits: Limits) -> bytes:
    """Returns the image's file as it was sent, alone or as a field of a form.

    Raises:
        Refusal: 400, 408, 413 or 422: it is too long or too slow, or a form without.
        ClientLeftError: The connection was closed before it was there.
    """
    try:
        body = await asyncio.wait_for(_read_body(request, limits), limits.body_s)
    except asyncio.TimeoutError:
        raise Refusal(
            408, f"The body took more than {limits.body_s:g} seconds; send it faster."
        ) from None
    if _content_type(request) != FORM_TYPE:
        return body
    return _find_field(body, request.headers["content-type"])


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _read_body(request: Request, limits: Limits) -> bytes:
    body = bytearray()
    has_more = True
    while has_more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        body += message.get("body", b"")
        if len(body) > limits.body_bytes:
            raise _too_large(limits)
        has_more = message.get("more_body", False)
    return bytes(body)


def _too_large(limits: Limits) -> Refusal:
    megabytes = limits.body_bytes / 10**6
    return Refusal(413, f"The body has more than {megabytes:g} MB; send a smaller one.")


def _find_field(body: bytes, content_type: str) -> bytes:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise Refusal(400, f"{FORM_TYPE} comes without its boundary; add it.")
    form = _Form()
    try:
        MultipartParser(boundary, form.callbacks()).write(body)  # type: ignore[arg-type]
    except (FormParserError, UnicodeDecodeError):
        raise Refusal(400, f"The body is no {FORM_TYPE}; build it anew.") from None
    if not form.is_complete:
        raise Refusal(400, "The form is cut short; send it again.")
    if form.image is None:
        raise Refusal(422, f"The form has no field {FIELD!r}; put the image there.")
    return bytes(form.image)


class _Form:
    """Keeps the one field that matters while a form is parsed.

    Not `request.form()`: that writes files of more than 1 MB to the disk, which may
    be a memory card, or read-only.
    """

    def __init__(self) -> None:
        self.image: bytearray | None = None
        self.is_complete = False
        self._fields = 0
        self._is_image = False
        self._name = bytearray()
        self._value = bytearray()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_name,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_part_data": self._add_data,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._fields += 1
        if self._fields > _MOST_FIELDS:
            raise Refusal(
                400, f"The form has more than {_MOST_FIELDS} fields; send the image."
            )
        self._is_image = False

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            options = parse_options_header(bytes(self._value))[1]
            self._is_image = options.get(b"name") == FIELD.encode()
            if self._is_image and self.image is None:
                self.image = bytearray()
        self._name.clear()
        self._value.clear()

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_image and self.image is not None:
            self.image += data[start:end]

    def _end(self) -> None:
        self.is_complete = True
