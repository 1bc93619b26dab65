"""The loop of a classifying camera: read, classify, hand on, until told to stop."""

import json
import threading
import time
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from corallite.device.classifier import Prediction
from corallite.device.classifier import top_k as most_probable
from corallite.device.engine import Engine
from corallite.device.frame import Frame
from corallite.device.smoothing import Smoother


@dataclass(frozen=True)
class Result:
    """What was seen on one frame.

    Attributes:
        frame: The frame's number in its source, from 0.
        time_s: The frame's time, as its source gives it.
        source: The name of the file or camera.
        top: The most probable labels, the most probable first.
        latency_ms: Time from the decoded frame to its probabilities: preprocessing
            and inference, without reading or decoding.
        age_ms: Time from the frame's capture to its probabilities, waits included.
        dropped: How many frames the source has dropped so far for newer ones.
        active: The labels that a `Smoother` says are on; None without threshold.
        device: What answered: "cpu", "edgetpu", or "edgetpu:0" and so on.
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


def classify_frames(
    frames: Iterable[Frame],
    classifier: Engine,
    stop: threading.Event,
    top_k: int,
    smoother: Smoother | None = None,
) -> Iterator[Result]:
    """Yields a result for each frame, until there are no more or `stop` is set.

    Args:
        frames: From `open_source`, or any others.
        classifier: The model.
        stop: Looked at before each frame is classified.
        top_k: How many labels a result has, at least 1.
        smoother: Averages over frames; default, each stands for itself.
    """
    smoother = smoother or Smoother()
    for frame in frames:
        if stop.is_set():
            return
        start_s = time.perf_counter()
        probabilities = classifier.classify(frame.image_rgb_u8)
        latency_ms = (time.perf_counter() - start_s) * 1000
        age_ms = (time.monotonic() - frame.captured_s) * 1000
        probabilities = smoother.add(probabilities, frame.time_s)
        yield Result(
            frame.number,
            frame.time_s,
            frame.name,
            most_probable(probabilities, classifier.labels, top_k),
            latency_ms,
            age_ms,
            frame.dropped,
            smoother.name_active(classifier.labels),
            classifier.status().device,
        )


def to_json_line(result: Result) -> str:
    """Returns `result` as JSON without line ends, in ASCII."""
    content = asdict(result)
    content["time_s"] = round(result.time_s, 6)
    content["latency_ms"] = round(result.latency_ms, 3)
    content["age_ms"] = round(result.age_ms, 3)
    for prediction in content["top"]:
        prediction["probability"] = round(prediction["probability"], 6)
    return json.dumps(content)


def to_text_line(result: Result, columns: int = 80) -> str:
    """Returns `result` for a person to read, in at most `columns` columns.

    The first label is always there, shortened if it must be; others as they fit.
    """
    name = _fill(result.source, 24)
    line = f"{result.frame:>7} {name} {result.latency_ms:7.1f} ms"
    for number, prediction in enumerate(result.top):
        room = columns - _width(line) - len("  100.0%")
        label = _printable(prediction.label)
        if number and _width(label) + 1 > room:
            break
        label = _cut(label, max(1, room - 1))
        line += f"  {label} {prediction.probability:.1%}"
    return line


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
