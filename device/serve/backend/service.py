"""Classifies images, and describes the model, the camera and the board."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from corallite.device.camera.connection_state import State
from corallite.device.engine import untaught
from corallite.device.engine.base import Engine
from corallite.device.engine.classifier import choose_label
from corallite.device.engine.classifier import top_k as most_probable
from corallite.device.image.decoding_limits import MOST_SCANS, TooLargeError
from corallite.device.image.header import count_scans, is_known_kind, read_header
from corallite.device.image.preprocess import Image, decode_image
from corallite.device.loop.detections import name_best, split_answer
from corallite.device.loop.rate_limit import RateLimitStatus
from corallite.device.serve.backend import schemas
from corallite.device.serve.guard.refusal import Limits, Refusal, busy
from corallite.device.serve.live.camera import Camera, CameraStatus, Snapshot
from corallite.device.system.errors import RequestError
from corallite.device.system.files import printable

_UNTAUGHT = "There is no model yet; teach one on the page /capture."
_DAMAGED = "The image is damaged or cut short; send it again."
# The size is near the start of most files; reading on could hold the event loop.
_START_BYTES = 2**14
# The states of a camera that do not change any more.
_FINAL_STATES = {
    "ended": "The source has ended; restart the server.",
    "given up": "The camera was given up; check its connection and restart the server.",
    "failed": "The camera's loop has failed; see the log.",
}


class Service:
    """Classifies one image after another in its own thread.

    So at most one decoded image is in memory, however many requests there are.

    Attributes:
        limits: The limits of a request.
        camera: None without a camera.
        stop: Set when the server stops.
        processed: Images processed so far, including refused ones.
        is_processing: Whether an image is being processed.
        has_capture: Whether there is a page /capture.
    """

    def __init__(
        self,
        engine: Engine,
        camera: Camera | None,
        limits: Limits,
        stop: threading.Event,
        read_rate_limit: Callable[[], RateLimitStatus] | None = None,
        threshold: float | None = None,
    ) -> None:
        """Starts its thread with the first request.

        Args:
            engine: Used only by its thread, such as an `EngineHandle`.
            camera: Started by the caller.
            limits: The limits of a request.
            stop: Set when the server stops.
            read_rate_limit: Returns the board's sensors and the frame rate limit.
            threshold: See `choose_label`.
        """
        self.limits = limits
        self.camera = camera
        self.stop = stop
        self.processed = 0
        self.is_processing = False
        self.has_capture = False
        self._engine = engine
        self._read_rate_limit = read_rate_limit
        self._threshold = threshold
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="requests")

    def close(self) -> None:
        """Waits for the image being processed, and cancels the others."""
        self._worker.shutdown(cancel_futures=True)

    async def classify(self, data: bytes, top_k: int) -> schemas.AnswerBody:
        """Classifies an image file.

        Args:
            data: JPEG, PNG or WebP.
            top_k: How many labels, at least 1.

        Raises:
            Refusal: The image is invalid or too large, or the model failed.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, partial(self._run, data, top_k))

    def _run(self, data: bytes, top_k: int) -> schemas.AnswerBody:
        self.is_processing = True
        try:
            return self._classify(data, top_k)
        finally:
            self.processed += 1
            self.is_processing = False

    def _classify(self, data: bytes, top_k: int) -> schemas.AnswerBody:
        check_image(data, self.limits)
        image = _decode(data)
        start_s = time.perf_counter()
        try:
            answer = self._engine.classify(image)
        except RequestError as error:
            raise busy(printable(str(error))) from error
        latency_ms = (time.perf_counter() - start_s) * 1000
        manifest = self._engine.manifest
        if not manifest.labels:
            raise busy(_UNTAUGHT)
        probabilities, boxes = split_answer(answer)
        if manifest.classes.labels:
            top = most_probable(probabilities, manifest.labels, top_k)
            label = choose_label(top[0], manifest.classes, self._threshold)
        else:
            top, label = [], name_best(boxes)
        height, width = image.shape[:2]
        return schemas.AnswerBody(
            model=printable(manifest.model),
            version=printable(manifest.version),
            top=schemas.label_bodies(top),
            label=printable(label),
            size=None if boxes is None else (width, height),
            boxes=schemas.box_bodies(boxes),
            latency_ms=round(latency_ms, 3),
        )

    def describe_model(self) -> schemas.ModelBody:
        """Returns the manifest of the last prediction, and the current status."""
        manifest = self._engine.manifest
        refusal = manifest.classes.refusal
        labels = tuple(map(printable, manifest.classes.labels))
        if refusal is not None:
            refusal = refusal.rename(manifest.labels, labels)
        manifest = manifest.with_classes(labels=labels, refusal=refusal)
        if manifest.boxes is not None:
            of_boxes = tuple(map(printable, manifest.boxes.labels))
            manifest = manifest.with_boxes(labels=of_boxes)
        content = manifest.to_format_1()
        status = schemas.StatusBody(**self._engine.status()._asdict())
        return schemas.ModelBody(manifest=content, status=status)

    def list_box_labels(self) -> list[str]:
        """Returns the labels of the model's boxes; none of a classifier."""
        boxes = self._engine.manifest.boxes
        return [] if boxes is None else list(map(printable, boxes.labels))

    def describe_state(self) -> schemas.StateBody:
        """Returns the current state of the model, the camera and the board."""
        camera = self.camera
        status = camera.status() if camera else None
        newest = status.newest if status else None
        return schemas.StateBody(
            model=schemas.StatusBody(**self._engine.status()._asdict()),
            source=_describe_source(camera, status) if camera and status else None,
            result=_describe_result(newest) if newest else None,
            board=self._describe_board(),
            capture=self.has_capture,
        )

    def why_not_ready(self) -> str | None:
        """Returns why there are no predictions; None if all is well."""
        if self._engine.status().state == untaught.STATE:
            return _UNTAUGHT
        state = self.camera.status().state if self.camera else State.LIVE.value
        if state == State.LIVE.value:
            return None
        waiting = f"The camera is {state}; check its connection, or see the log."
        return _FINAL_STATES.get(state, waiting)

    def _describe_board(self) -> schemas.BoardBody | None:
        if self._read_rate_limit is None:
            return None
        limit = self._read_rate_limit()
        return schemas.BoardBody(
            **limit.board._asdict(),
            limit_fps=limit.limit_fps,
            policy=limit.model,
            limit_reason=limit.reason,
        )


def check_image(data: bytes, limits: Limits) -> None:
    """Refuses an invalid or too large image before it is decoded.

    A file of a few kilobytes may decode to gigabytes. Takes seconds for a JPEG of
    millions of segments.

    Raises:
        Refusal: 400 or 413.
    """
    if not data:
        raise Refusal(400, "The image is empty; send its bytes.")
    header = read_header(data)
    if header is None and not is_known_kind(data):
        raise Refusal(400, "The body is not an image; send a JPEG, PNG or WebP file.")
    if header is None:
        raise Refusal(400, _DAMAGED)
    pixels = header.width * header.height
    if pixels > limits.pixels:
        raise Refusal(
            413,
            f"The image has {pixels / 1e6:.1f} megapixels; send one of at most "
            f"{limits.pixels / 1e6:g}.",
        )
    if count_scans(data) > MOST_SCANS:
        raise Refusal(
            400, f"The image has more than {MOST_SCANS} scans; save it as plain JPEG."
        )


def estimate_pixels(data: bytes, limits: Limits) -> int:
    """Returns the size of an image for its place in the queue, quickly.

    An image whose size is not near its start counts as one of the largest, such as a
    phone's photo with a large thumbnail before the size.
    """
    header = read_header(data[:_START_BYTES])
    pixels = limits.pixels if header is None else header.width * header.height
    return min(pixels, limits.pixels)


def _decode(data: bytes) -> Image:
    try:
        return decode_image(data, "The image")
    except TooLargeError as error:
        raise Refusal(413, str(error)) from None
    except RequestError:
        raise Refusal(400, _DAMAGED) from None


def _describe_source(camera: Camera, status: CameraStatus) -> schemas.SourceBody:
    frames = camera.frames
    return schemas.SourceBody(
        name=printable(camera.name),
        state=status.state,
        frames=status.classified,
        dropped=frames.dropped,
        skipped=frames.skipped,
        opened=frames.opened,
        failures=status.failures,
        connection_failures=status.connection_failures,
        last_error=printable(status.last_error),
    )


def _describe_result(newest: Snapshot) -> schemas.ResultBody:
    result = newest.result
    active = result.active
    return schemas.ResultBody(
        frame=result.frame,
        source=printable(result.source),
        top=schemas.label_bodies(result.top),
        label=printable(result.label),
        size=result.size,
        boxes=schemas.box_bodies(result.boxes),
        counts=_printable_counts(result.counts),
        active=None if active is None else [printable(label) for label in active],
        latency_ms=round(result.latency_ms, 3),
        repeated=result.repeated,
        age_ms=round(result.age_ms, 3),
        seconds_ago=round(time.monotonic() - newest.seen_s, 3),
    )


def _printable_counts(
    counts: dict[str, dict[str, int]] | None,
) -> dict[str, dict[str, int]] | None:
    return counts and {printable(label): kinds for label, kinds in counts.items()}
