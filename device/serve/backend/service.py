"""What answers: the model, the camera if there is one, and what is known of both."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from corallite.device.camera.connection_state import State
from corallite.device.engine.base import Engine
from corallite.device.engine.classifier import top_k as most_probable
from corallite.device.image.header import count_scans, is_known_kind, read_header
from corallite.device.image.preprocess import Image, decode_image
from corallite.device.loop.rate_limit import RateLimitStatus
from corallite.device.serve.backend import schemas
from corallite.device.serve.guard.refusal import Limits, Refusal, busy
from corallite.device.serve.live.camera import Camera, Snapshot
from corallite.device.system.errors import RequestError
from corallite.device.system.files import printable

# Of a JPEG. Progressive ones have about ten; each may be of 20 bytes and take 10 ms.
_MOST_SCANS = 100
# By the camera's state. The others may pass.
_NOT_READY_FOR_GOOD = {
    "ended": "The source has ended; start the server again.",
    "given up": "The camera was given up; see its connection, and start the server "
    "again.",
    "failed": "The camera's loop has failed; see the log.",
}


class Service:
    """Answers for images, one after the other in a thread of its own.

    So there is never more than one decoded image of a request in memory, whatever
    number of them is in flight.

    Attributes:
        limits: What it takes on.
        camera: None if there is none.
        stop: Set when the server is to end.
        answers: How many were given so far, refusals of the image included.
        is_answering: Whether one is under way.
    """

    def __init__(
        self,
        engine: Engine,
        camera: Camera | None,
        limits: Limits,
        stop: threading.Event,
        read_rate_limit: Callable[[], RateLimitStatus] | None = None,
    ) -> None:
        """Starts its thread with the first request.

        Args:
            engine: Only this thread may use it; such as an `EngineHandle`.
            camera: Started by whoever made it.
            limits: What it takes on.
            stop: Set when the server is to end.
            read_rate_limit: Tells of heat and the like, in less than a millisecond.
        """
        self.limits = limits
        self.camera = camera
        self.stop = stop
        self.answers = 0
        self.is_answering = False
        self._engine = engine
        self._read_rate_limit = read_rate_limit
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="requests")

    def close(self) -> None:
        """Waits for the answer under way; there will be no more."""
        self._worker.shutdown(cancel_futures=True)

    async def classify(self, data: bytes, top_k: int) -> schemas.AnswerBody:
        """Classifies an image file.

        Args:
            data: JPEG, PNG or WebP.
            top_k: How many labels, at least 1.

        Raises:
            Refusal: It is no such image or too large, or the model is not to be had.
        """
        loop = asyncio.get_running_loop()
        work = partial(self._run, data, top_k)
        return await loop.run_in_executor(self._worker, work)

    def _run(self, data: bytes, top_k: int) -> schemas.AnswerBody:
        self.is_answering = True
        try:
            return self._classify(data, top_k)
        finally:
            self.answers += 1
            self.is_answering = False

    def _classify(self, data: bytes, top_k: int) -> schemas.AnswerBody:
        check_image(data, self.limits)
        image = _decode(data)
        start_s = time.perf_counter()
        try:
            probabilities = self._engine.classify(image)
        except RequestError as error:
            raise busy(printable(str(error))) from error
        latency_ms = (time.perf_counter() - start_s) * 1000
        manifest = self._engine.manifest
        top = most_probable(probabilities, manifest.labels, top_k)
        return schemas.AnswerBody(
            model=printable(manifest.model),
            version=printable(manifest.version),
            top=schemas.label_bodies(top),
            latency_ms=round(latency_ms, 3),
        )

    def describe_model(self) -> schemas.ModelBody:
        """Returns the manifest of the last answer, and the status of now."""
        content = self._engine.manifest.to_format_1()
        content["labels"] = [printable(label) for label in content["labels"]]
        status = schemas.status_body(self._engine.status())
        return schemas.ModelBody(manifest=content, status=status)

    def describe_state(self) -> schemas.StateBody:
        """Returns all that is known of this moment."""
        camera = self.camera
        snapshot = camera.newest if camera else None
        return schemas.StateBody(
            model=schemas.status_body(self._engine.status()),
            source=_describe_source(camera) if camera else None,
            result=_describe_result(snapshot) if snapshot else None,
            board=self._describe_board(),
        )

    def why_not_ready(self) -> str | None:
        """Returns why the camera gives no answers; None if it does, or is none."""
        state = self.camera.state if self.camera else State.LIVE.value
        if state == State.LIVE.value:
            return None
        passing = f"The camera: {state}; see its connection, or the log."
        return _NOT_READY_FOR_GOOD.get(state, passing)

    def _describe_board(self) -> schemas.BoardBody | None:
        if self._read_rate_limit is None:
            return None
        limit = self._read_rate_limit()
        return schemas.BoardBody(
            temperature_c=limit.board.temperature_c,
            throttled=limit.board.throttled,
            frequency_mhz=limit.board.frequency_mhz,
            load=limit.board.load,
            limit_fps=limit.limit_fps,
            limit_reason=limit.reason,
        )


def check_image(data: bytes, limits: Limits) -> None:
    """Refuses what is no image of a known kind, or has too many pixels.

    Before it is decoded: a file of a few kilobytes may stand for gigabytes. It takes
    seconds for a JPEG of millions of segments.

    Raises:
        Refusal: 400, 413 or 415.
    """
    if not data:
        raise Refusal(400, "The image is empty; send its bytes.")
    header = read_header(data)
    if header is None and not is_known_kind(data):
        raise Refusal(400, "The body is not an image; send a JPEG, PNG or WebP file.")
    if header is None:
        raise Refusal(400, "The image is damaged or cut short; send it again.")
    pixels = header.width * header.height
    if pixels > limits.pixels:
        raise Refusal(
            413,
            f"The image has {pixels / 1e6:.1f} megapixels; send one of at most "
            f"{limits.pixels / 1e6:g}.",
        )
    if count_scans(data) > _MOST_SCANS:
        raise Refusal(
            400, f"The image has more than {_MOST_SCANS} scans; save it as plain JPEG."
        )


def _decode(data: bytes) -> Image:
    try:
        return decode_image(data, "The image")
    except RequestError:
        sentence = "The image is damaged or cut short; send it again."
        raise Refusal(400, sentence) from None


def _describe_source(camera: Camera) -> schemas.SourceBody:
    return schemas.SourceBody(
        name=printable(camera.name),
        state=camera.state,
        frames=camera.rate.frames,
        dropped=camera.frames.dropped,
        skipped=camera.frames.skipped,
        opened=camera.frames.opened,
        failures=camera.failures,
        last_error=printable(camera.last_error),
    )


def _describe_result(snapshot: Snapshot) -> schemas.ResultBody:
    result = snapshot.result
    active = result.active
    return schemas.ResultBody(
        frame=result.frame,
        source=printable(result.source),
        top=schemas.label_bodies(result.top),
        active=None if active is None else [printable(label) for label in active],
        latency_ms=round(result.latency_ms, 3),
        age_ms=round(result.age_ms, 3),
        seconds_ago=round(time.monotonic() - snapshot.seen_s, 3),
    )
