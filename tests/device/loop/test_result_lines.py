"""Results as lines of JSON and of text."""

import json

import pytest

from corallite.device.engine.classifier import Prediction
from corallite.device.loop.classify_frames import Result
from corallite.device.loop.result_lines import to_json_line, to_text_line


def result(**changes):
    top = [Prediction("dog", 0.7), Prediction("cat", 0.2)]
    fields = {"frame": 3, "time_s": 0.3, "source": "clip.mp4", "top": top}
    fields |= {"label": "dog", "latency_ms": 1.23456}
    return Result(**{**fields, **changes})


def test_json_line_has_the_fields_and_is_one_line():
    line = to_json_line(result(source="two\nlines \udcff"))
    assert "\n" not in line and line.isascii()
    content = json.loads(line)
    assert list(content) == [
        *("frame", "time_s", "source", "top", "label"),
        *("latency_ms", "age_ms", "dropped", "active", "device", "limit_fps"),
        *("accelerator_lost", "repeated"),
    ]
    assert content["top"][0] == {"label": "dog", "probability": 0.7}
    assert content["latency_ms"] == 1.235
    assert content["active"] is None


def test_repeated_prediction_is_marked_in_text_and_json():
    repeated = result(repeated=True)
    assert json.loads(to_json_line(repeated))["repeated"] is True
    assert "     still  " in to_text_line(repeated)
    assert " ms " not in to_text_line(repeated)


def test_text_line_is_readable():
    assert to_text_line(result()) == (
        "      3 clip.mp4                     1.2 ms  dog 70.0%  cat 20.0%"
    )


def test_text_line_says_that_no_label_is_named():
    line = to_text_line(result(label="unknown"))
    assert line.endswith("    1.2 ms  unknown:  dog 70.0%  cat 20.0%")


def test_text_line_names_the_accelerator():
    line = to_text_line(result(device="edgetpu:1"))
    assert line.endswith("    1.2 ms  edgetpu:1  dog 70.0%  cat 20.0%")
    line = to_text_line(result(accelerator_lost=True))
    assert line.endswith("    1.2 ms  cpu (TPU lost)  dog 70.0%")


@pytest.mark.parametrize("label", ["a", "a rather long label of a class", "犬" * 40])
@pytest.mark.parametrize("source", ["x", "folder/" * 9 + "photo.jpg", "写真" * 20])
def test_text_line_fits_80_columns(label, source):
    top = [Prediction(label, 1.0)] * 9
    fields = {"top": top, "source": source, "latency_ms": 98765.4}
    fields["label"] = "unknown"
    line = to_text_line(result(**fields, accelerator_lost=True))
    wide = sum(character in "犬写真" for character in line)
    assert len(line) + wide <= 80
    assert "100.0%" in line


def test_text_line_cannot_move_the_cursor():
    top = [Prediction("a\nb", 1.0)]
    line = to_text_line(result(source="\x1b[2J", top=top, label="a\nb"))
    assert line.isprintable()


def test_model_of_a_cascade_and_choice_of_a_policy_are_shown():
    second = result(answered_by="second", policy="both")
    content = json.loads(to_json_line(second))
    assert (content["answered_by"], content["policy"]) == ("second", "both")
    assert to_text_line(second).endswith("    1.2 ms  second  dog 70.0%  cat 20.0%")
    first = to_text_line(result(answered_by="first"))
    assert first == to_text_line(result())
