"""The classification loop: read a frame, classify it, yield the result."""

import threading
import time
from collections.abc import Generator, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from corallite.device.camera.frame import Fitted, Frame, FrameStream
from corallite.device.engine.base import (
    Answer,
    Box,
    Engine,
    OutdatedPixelsError,
    place_boxes,
)
from corallite.device.engine.classifier import Prediction, choose_label
from corallite.device.engine.classifier import top_k as most_probable
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import fit_image
from corallite.device.loop.detections import describe_boxes, split_answer
from corallite.device.loop.motion import MotionGate
from corallite.device.loop.rate_limit import RateLimiter, RateLimitStatus
from corallite.device.loop.smoothing import Smoother
from corallite.device.model.refusal import UNKNOWN
from corallite.device.system.errors import RequestError
from corallite.device.system.log_throttle import Failures

# Errors that one frame may cause, from the engine, OpenCV or the system. Any other is a
# programming error, which ends the loop.
FRAME_FAILURES = (
    RequestError,
    OSError,
    RuntimeError,
    ValueError,
    MemoryError,
    cv2.error,
)


class Result(NamedTuple):
    """The prediction for one frame.

    Attributes:
        frame: The frame's number in its source, from 0.
        time_s: The frame's time, as given by its source.
        source: The name of the file or camera.
        top: The most probable labels, the most probable first; none without a model,
            and of a model that gives only boxes.
        label: The most probable one; "unknown" if the model is not sure enough of it,
            or with a threshold, if it is not active. Of a model that gives only boxes,
            that of the most probable one.
        latency_ms: Preprocessing, in whichever thread, and inference; without reading
            or decoding.
        age_ms: Time from the frame's capture to its prediction, including waits.
        dropped: How many frames the source has dropped so far for newer ones.
        active: The labels that the `Smoother` has active; None without a threshold. Of
            a detector, those of its boxes, and `label` if the model classifies, too.
        device: Where inference ran: "cpu", "edgetpu", "edgetpu:0" and so on.
        limit_fps: The frame rate that the temperature allows, or that the policy
            chose; None: unlimited.
        accelerator_lost: The CPU replaces a lost accelerator.
        repeated: There was no inference, because nothing has moved since the last one.
        size: Width and height of the frame in pixels.
        boxes: In pixels of the frame, the most probable first; None of a classifier.
        counts: Numbers by label and kind, of a `BoxCounter`; None without one.
        answered_by: Which of two models made the prediction, "first" or "second"; None
            with one model.
        policy: The models that the policy chose, see `Choice`; None without a policy.
    """

    frame: int
    time_s: float
    source: str
    top: list[Prediction]
    label: str
    latency_ms: float
    age_ms: float = 0.0
    dropped: int = 0
    active: list[str] | None = None
    device: str = "cpu"
    limit_fps: float | None = None
    accelerator_lost: bool = False
    repeated: bool = False
    size: tuple[int, int] | None = None
    boxes: list[Box] | None = None
    counts: dict[str, dict[str, int]] | None = None
    answered_by: str | None = None
    policy: str | None = None


def classify_frames(
    frames: Iterable[Frame],
    classifier: Engine,
    stop: threading.Event,
    top_k: int,
    smoother: Smoother | None = None,
    rate_limiter: RateLimiter | None = None,
    *,
    gate: MotionGate | None = None,
    survives: bool = False,
) -> Generator[Result, None, None]:
    """Yields a result for each frame, until there are no more or `stop` is set.

    Args:
        frames: From `open_source`, whose threads then `prepare` them, or any others.
        classifier: The model.
        stop: Checked before each frame is classified.
        top_k: How many labels a result has, at least 1.
        smoother: Averages over frames; default, no averaging.
        rate_limiter: Delays the loop before each frame; default, no delay.
        gate: Frames in which nothing has moved repeat the last prediction; default,
            every frame is classified.
        survives: After the first result, FRAME_FAILURES are logged and their frame is
            skipped; before it, and by default, they are raised.
    """
    smoother, failures, has_begun = smoother or Smoother(), Failures(), False
    if isinstance(frames, FrameStream):
        frames.prepare = partial(_fit, classifier, gate)
    read_limit = RateLimitStatus if rate_limiter is None else rate_limiter.status
    if rate_limiter is not None:
        frames = _limit_rate(iter(frames), rate_limiter, stop)
    for frame in frames:
        if stop.is_set():
            return
        start_s = time.perf_counter()
        may_fail = survives and has_begun
        found = _attempt(frame, classifier, gate, failures if may_fail else None)
        if found is None:
            continue
        answer, is_repeated = found
        has_begun = True
        fit_s = frame.fitted.seconds if frame.fitted else 0.0
        latency_ms = (time.perf_counter() - start_s + fit_s) * 1000
        age_ms = (time.monotonic() - frame.captured_s) * 1000
        # The model may have been replaced between two frames.
        smoother.begin(classifier.labels)
        probabilities, boxes = split_answer(answer)
        probabilities = smoother.add(probabilities, frame.time_s)
        status, limit = classifier.status(), read_limit()
        top = most_probable(probabilities, classifier.labels, top_k)
        active = smoother.name_active(classifier.labels)
        result = Result(
            frame.number,
            frame.time_s,
            frame.name,
            top,
            _choose_label(top, classifier, active),
            latency_ms,
            age_ms,
            frame.dropped,
            active,
            status.device,
            limit.limit_fps,
            status.state == "lost",
            is_repeated,
            answered_by=status.answered_by,
            policy=limit.model,
        )
        if boxes is not None:
            changes = describe_boxes(boxes, result.label, frame, classifier.manifest)
            result = result._replace(**changes)
        yield result


def _choose_label(
    top: list[Prediction], classifier: Engine, active: list[str] | None
) -> str:
    if not top or (active is not None and top[0].label not in active):
        return UNKNOWN
    # An active label has passed the threshold, maybe in an earlier frame.
    threshold = None if active is None else 0.0
    return choose_label(top[0], classifier.manifest.classes, threshold)


def _fit(classifier: Engine, gate: MotionGate | None, frame: Frame) -> Frame:
    """Returns `frame` with its image preprocessed; may be called from any thread.

    While nothing moves, the image is probably not needed.
    """
    if gate is not None and not gate.has_moved:
        return frame
    start_s = time.perf_counter()
    preprocessing = classifier.preprocessing
    try:
        pixels_u8 = fit_image(frame.image_rgb_u8, preprocessing)
    except FRAME_FAILURES:
        return frame  # The same error is raised again when it is classified.
    seconds = time.perf_counter() - start_s
    return frame._replace(fitted=Fitted(pixels_u8, preprocessing, seconds))


def _attempt(
    frame: Frame,
    classifier: Engine,
    gate: MotionGate | None,
    failures: Failures | None,
) -> tuple[Answer, bool] | None:
    """Returns the prediction for a frame, and whether it is repeated.

    Returns None if that failed and `failures` has logged it.
    """
    try:
        return _predict(frame, classifier, gate)
    except FRAME_FAILURES as error:
        if failures is None:
            raise
        failures.note(f"Frame {frame.number} is skipped: {error}")
        return None


def _predict(
    frame: Frame, classifier: Engine, gate: MotionGate | None
) -> tuple[Answer, bool]:
    if gate is None:
        return _classify(frame, classifier), False
    # The model is replaced by the next prediction, so a repeated one must not wait.
    known = gate.recall(
        frame, None if classifier.has_successor else classifier.manifest
    )
    if known is not None:
        return known, True
    answer = _classify(frame, classifier)
    gate.remember(answer, classifier.manifest)
    return answer, False


def _classify(frame: Frame, classifier: Engine) -> Answer:
    """Classifies a frame, using its prepared pixels if the model still needs those."""
    while True:
        fitted, preprocessing = frame.fitted, classifier.preprocessing
        if fitted is not None and fitted.preprocessing == preprocessing:
            pixels_u8 = fitted.pixels_u8
        else:
            pixels_u8 = fit_image(frame.image_rgb_u8, preprocessing)
        try:
            answer = classifier.run(pixels_u8)
            return place_boxes(answer, frame.image_rgb_u8, preprocessing)
        except OutdatedPixelsError:
            continue  # Another model has taken over.


def _limit_rate(
    frames: Iterator[Frame], rate_limiter: RateLimiter, stop: threading.Event
) -> Iterator[Frame]:
    """Waits before taking a frame, not after, so that the frame is the newest one."""
    rate_limiter.wait(stop)
    while not stop.is_set() and (frame := next(frames, None)) is not None:
        yield frame
        rate_limiter.wait(stop)
