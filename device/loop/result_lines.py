"""A result as a line of JSON, or of text for a terminal."""

import json

from corallite.device.engine.classifier import Prediction
from corallite.device.loop.classify_frames import Result
from corallite.device.loop.detections import pick_for_json, to_text
from corallite.device.system.text import count_columns, cut, replace_unprintable

_NAME_COLUMNS = 24


def to_json_line(result: Result) -> str:
    """Returns `result` as one line of ASCII JSON, without the line end."""
    return json.dumps(
        {
            **pick_for_json(result._asdict()),
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
    """Returns `result` as readable text of at most `columns` columns.

    The first label is always included, shortened if necessary, the others if they fit;
    before them stands "unknown" if none is named. Boxes are counted by label. The
    device is named unless it is the CPU, and so is the second of two models. "still"
    replaces the latency of a repeated prediction.
    """
    name = cut(replace_unprintable(result.source), _NAME_COLUMNS)
    name += " " * (_NAME_COLUMNS - count_columns(name))
    latency = "still" if result.repeated else f"{result.latency_ms:.1f} ms"
    line = f"{result.frame:>7} {name} {latency:>10}"
    if device := name_device(result):
        line += f"  {device}"
    if result.answered_by == "second":
        line += "  second"
    if result.boxes is not None:
        text = replace_unprintable(to_text(result.boxes, result.counts))
        line += "  " + cut(text, max(1, columns - count_columns(line) - 2))
    if result.top and result.label != result.top[0].label:
        line += f"  {result.label}:"
    for number, prediction in enumerate(result.top):
        room = columns - count_columns(line) - len("  100.0%")
        label = replace_unprintable(prediction.label)
        if (number or result.boxes) and count_columns(label) + 1 > room:
            break
        label = cut(label, max(1, room - 1))
        line += f"  {label} {prediction.probability:.1%}"
    return line


def name_device(result: Result) -> str:
    """Returns the device to show; "" for the CPU of a model without accelerator."""
    if result.accelerator_lost:
        return "cpu (TPU lost)"
    return "" if result.device == "cpu" else result.device
