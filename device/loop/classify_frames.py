"""The loop of a classifying camera: read, classify, hand on, until told to stop."""

import json
import threading
import time
import unicodedata
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from corallite.device.camera.frame import Fitted, Frame, FrameStream
from corallite.device.engine.base import Engine, OutdatedPixelsError, Status
from corallite.device.engine.classifier import Prediction
from corallite.device.engine.classifier import top_k as most_probable
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image, fit_image
from corallite.device.image.spec import Preprocessing
from corallite.device.loop.smoothing import Smoother
from corallite.device.system.errors import RequestError
from corallite.device.system.log_throttle import Failures

# What a frame may bring about: the engine's, OpenCV's and the system's. Anything else
# is a mistake of ours, which ends the loop.
FRAME_FAILURES = (
    RequestError,
    OSError,
    RuntimeError,
    ValueError,
    MemoryError,
    cv2.error,
)


@dataclass(frozen=True)
class Result:
    """What was seen on one frame.

    Attributes:
        frame: The frame's number in its source, from 0.
        time_s: The frame's time, as its source gives it.
        source: The name of the file or camera.
        top: The most probable labels, the most probable first.
        latency_ms: Work from the decoded frame to its probabilities: preprocessing,
            by whichever thread, and inference, without reading or decoding.
        age_ms: Time from the frame's capture to its probabilities, waits included.
        dropped: How many frames the source has dropped so far for newer ones.
        active: The labels that a `Smoother` says are on; None without threshold.
        device: What answered: "cpu", "edgetpu", or "edgetpu:0" and so on.
        limit_fps: The frames a second that heat allows; None: any.
        accelerator_lost: The CPU stands in for an accelerator.
    """

    frame: int
    time_s: float
    source: str
    top: list[Prediction]
    latency_ms: float
    age_ms: float = 0.0
    dropped: int = 0
    active: list[str] | None = None
    device: str = "cpu"
    limit_fps: float | None = None
    accelerator_lost: bool = False


class Brake(Protocol):
    """Holds a loop back; see `Pace`."""

    limit_fps: float | None

    def wait(self, stop: threading.Event) -> None:
        """Waits until the next frame may be taken, or `stop` is set."""

    def note_work(self, processor_s: float, status: Status) -> None:
        """Takes the processor time of this thread in an inference, and who did it."""


def classify_frames(
    frames: Iterable[Frame],
    classifier: Engine,
    stop: threading.Event,
    top_k: int,
    smoother: Smoother | None = None,
    brake: Brake | None = None,
    *,
    survives: bool = False,
) -> Generator[Result, None, None]:
    """Yields a result for each frame, until there are no more or `stop` is set.

    Args:
        frames: From `open_source`, which is told how to `prepare` them, or any others.
        classifier: The model.
        stop: Looked at before each frame is classified.
        top_k: How many labels a result has, at least 1.
        smoother: Averages over frames; default, each stands for itself.
        brake: Waited for before each frame is taken, and told what it took; default,
            none.
        survives: One of FRAME_FAILURES costs the frame and is logged, as soon as one
            frame has been classified; before, and by default, it is raised.
    """
    smoother, failures, has_begun = smoother or Smoother(), Failures(), False
    if isinstance(frames, FrameStream):
        frames.prepare = partial(_fit, classifier)
    taken = frames if brake is None else _hold_back(iter(frames), brake, stop)
    for frame in taken:
        if stop.is_set():
            return
        start_s = time.perf_counter()
        may_fail = survives and has_begun
        probabilities = _attempt(
            frame, classifier, brake, failures if may_fail else None
        )
        if probabilities is None:
            continue
        has_begun = True
        fit_s = frame.fitted.seconds if frame.fitted else 0.0
        latency_ms = (time.perf_counter() - start_s + fit_s) * 1000
        age_ms = (time.monotonic() - frame.captured_s) * 1000
        # Another model may have come between two frames.
        smoother.begin(classifier.labels)
        probabilities = smoother.add(probabilities, frame.time_s)
        status = classifier.status()
        yield Result(
            frame.number,
            frame.time_s,
            frame.name,
            most_probable(probabilities, classifier.labels, top_k),
            latency_ms,
            age_ms,
            frame.dropped,
            smoother.name_active(classifier.labels),
            status.device,
            None if brake is None else brake.limit_fps,
            status.state == "lost",
        )


def _fit(classifier: Engine, frame: Frame) -> Frame:
    """Returns `frame` with its image brought to the model's size; for any thread."""
    start_s = time.perf_counter()
    preprocessing = classifier.preprocessing
    try:
        pixels_u8 = fit_image(frame.image_rgb_u8, preprocessing)
    except FRAME_FAILURES:
        return frame  # It fails again where it is classified.
    seconds = time.perf_counter() - start_s
    return replace(frame, fitted=Fitted(pixels_u8, preprocessing, seconds))


def _attempt(
    frame: Frame, classifier: Engine, brake: Brake | None, failures: Failures | None
) -> npt.NDArray[np.float32] | None:
    """Classifies a frame; None if that failed and is noted in `failures`."""
    try:
        return _classify(frame, classifier, brake)
    except FRAME_FAILURES as error:
        if failures is None:
            raise
        failures.note(f"Frame {frame.number} is left out: {error}")
        return None


def _classify(
    frame: Frame, classifier: Engine, brake: Brake | None
) -> npt.NDArray[np.float32]:
    """Classifies a frame, by what is ready if the model still wants it so."""
    while True:
        pixels_u8 = _choose_pixels(frame, classifier.preprocessing)
        start_s = time.thread_time()
        try:
            probabilities = classifier.run(pixels_u8)
        except OutdatedPixelsError:
            continue  # Another model has taken over.
        if brake is not None:
            brake.note_work(time.thread_time() - start_s, classifier.status())
        return probabilities


def _choose_pixels(frame: Frame, preprocessing: Preprocessing) -> Image:
    fitted = frame.fitted
    if fitted is not None and fitted.preprocessing == preprocessing:
        return fitted.pixels_u8
    return fit_image(frame.image_rgb_u8, preprocessing)


def _hold_back(
    frames: Iterator[Frame], brake: Brake, stop: threading.Event
) -> Iterator[Frame]:
    """Waits before a frame is taken, not after: it shall be the newest one then."""
    brake.wait(stop)
    while not stop.is_set() and (frame := next(frames, None)) is not None:
        yield frame
        brake.wait(stop)


def to_json_line(result: Result) -> str:
    """Returns `result` as JSON without line ends, in ASCII."""
    # `asdict` copies whatever it meets, which is two thirds of the work.
    return json.dumps(
        {
            **vars(result),
            "time_s": round(result.time_s, 6),
            "top": [_round_prediction(prediction) for prediction in result.top],
            "latency_ms": round(result.latency_ms, 3),
            "age_ms": round(result.age_ms, 3),
        }
    )


def _round_prediction(prediction: Prediction) -> dict[str, str | float]:
    probability = round(prediction.probability, 6)
    return {"label": prediction.label, "probability": probability}


def to_text_line(result: Result, columns: int = 80) -> str:
    """Returns `result` for a person to read, in at most `columns` columns.

    The first label is always there, shortened if it must be; others as they fit. What
    answered is named unless it is the CPU, as it should be.
    """
    name = _fill(result.source, 24)
    line = f"{result.frame:>7} {name} {result.latency_ms:7.1f} ms"
    if device := name_device(result):
        line += f"  {device}"
    for number, prediction in enumerate(result.top):
        room = columns - _width(line) - len("  100.0%")
        label = _printable(prediction.label)
        if number and _width(label) + 1 > room:
            break
        label = _cut(label, max(1, room - 1))
        line += f"  {label} {prediction.probability:.1%}"
    return line


def name_device(result: Result) -> str:
    """Returns what answered, to be shown; "" if it is the CPU, as it should be."""
    if result.accelerator_lost:
        return "cpu (TPU lost)"
    return "" if result.device == "cpu" else result.device


def _printable(text: str) -> str:
    """Replaces what would move a terminal's cursor, or cannot be encoded."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _width(text: str) -> int:
    """Counts columns: East Asian wide characters take two, combining ones none."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def _cut(text: str, columns: int) -> str:
    """Shortens `text` to `columns`, with a mark where something is missing."""
    if _width(text) <= columns:
        return text
    while text and _width(text) > columns - 1:
        text = text[:-1]
    return text + "~"


def _fill(text: str, columns: int) -> str:
    text = _cut(_printable(text), columns)
    return text + " " * (columns - _width(text))
