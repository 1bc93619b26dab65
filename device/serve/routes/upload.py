"""Reads the image from a request, and no more bytes than the limit."""

import logging as python_logging
from collections.abc import AsyncGenerator

from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from corallite.device.image.header import is_known_kind
from corallite.device.serve.guard.body_memory import BodyMemory, HeldBytes
from corallite.device.serve.guard.client_time import ClientTime
from corallite.device.serve.guard.refusal import ClientLeftError, Limits, Refusal

IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")
# What curl --data-binary, requests and others send if the user names no type: then the
# bytes tell.
_UNNAMED_TYPES = ("", "application/octet-stream", "application/x-www-form-urlencoded")
FORM_TYPE = "multipart/form-data"
FIELD = "image"
# Parsing as many as fit into 10 MB takes seconds, during which no other request runs.
_MAX_FIELDS = 100
# It logs a line for each malformed form.
python_logging.getLogger("python_multipart").setLevel(python_logging.ERROR)


def check_headers(request: Request, limits: Limits) -> None:
    """Refuses a request by its headers, before its body is read.

    Raises:
        Refusal: 413 or 415.
    """
    content_type = _content_type(request)
    if content_type not in (*IMAGE_TYPES, *_UNNAMED_TYPES, FORM_TYPE):
        raise _wrong_type(content_type)
    length = request.headers.get("content-length", "")
    # int() refuses thousands of digits.
    if length.isdecimal() and (len(length) > 18 or int(length) > limits.body_bytes):
        raise _too_large(limits)


async def read_image_bytes(
    request: Request, limits: Limits, memory: BodyMemory, held: HeldBytes
) -> bytes:
    """Returns the image file as sent, either as the body or as a form field.

    Args:
        request: Its headers were checked.
        limits: The limits of a request.
        memory: Makes the body wait while others fill the memory.
        held: The body's account in `memory`.

    Raises:
        Refusal: 400, 408, 413, 415, 422 or 503: the body is malformed, too slow, too
            large or not an image, the form has no such field, or the memory is full.
        ClientLeftError: The connection was closed before the body was complete.
    """
    body = await _read_body(request, limits, memory, held)
    content_type = _content_type(request)
    if content_type in _UNNAMED_TYPES and body and not is_known_kind(body):
        raise _wrong_type(content_type)
    if content_type != FORM_TYPE:
        return body
    return await _read_field(body, request.headers["content-type"])


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _read_body(
    request: Request, limits: Limits, memory: BodyMemory, held: HeldBytes
) -> bytes:
    body, client_time = bytearray(), ClientTime(limits)
    has_more = True
    while has_more:
        await memory.wait_for_room(held)
        message = await client_time.receive(request.receive)
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        part = message.get("body", b"")
        memory.add(held, len(part))
        body += part
        if len(body) > limits.body_bytes:
            raise _too_large(limits)
        has_more = message.get("more_body", False)
    return bytes(body)


def _wrong_type(content_type: str) -> Refusal:
    return Refusal(
        415,
        f"Content-Type is {content_type or 'missing'}; send "
        f"{', '.join(IMAGE_TYPES)}, or {FORM_TYPE} with a field {FIELD!r}.",
    )


def _too_large(limits: Limits) -> Refusal:
    megabytes = limits.body_bytes / 10**6
    return Refusal(413, f"The body is larger than {megabytes:g} MB; send fewer bytes.")


async def _read_field(body: bytes, content_type: str) -> bytes:
    # A field without a file name is decoded as text: Latin-1 keeps every byte.
    headers = Headers({"content-type": f"{content_type}; charset=latin-1"})
    parser = _MemoryParser(
        headers,
        _chunks(body),
        max_files=_MAX_FIELDS,
        max_fields=_MAX_FIELDS,
        max_part_size=len(body),
    )
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError, UnicodeError) as error:
        reason = getattr(error, "message", "") or str(error)
        sentence = f"The body is not valid {FORM_TYPE} ({reason.rstrip('.')}); fix it."
        raise Refusal(400, sentence) from None
    if not parser.is_complete:
        raise Refusal(400, "The form is cut short; send it again.")
    image = form.get(FIELD)
    if image is None:
        raise Refusal(422, f"The form has no field {FIELD!r}; send the image in it.")
    if isinstance(image, UploadFile):
        return await image.read()
    return image.encode("latin-1")


async def _chunks(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


class _MemoryParser(MultiPartParser):
    """Starlette's parser, without files: the disk may be read-only or a memory card."""

    spool_max_size = 0  # Unlimited.
    is_complete = False

    def on_end(self) -> None:
        self.is_complete = True
