"""A model that predicts one label, or no better than that, is called useless."""

import dataclasses
import json

import pytest

from corallite.train.runs.predictions import PredictionSummary, summarize

NAMES = ("cat", "dog", "owl")


@pytest.mark.parametrize(
    ("true", "predicted", "right", "words"),
    [
        # One label for all, or for more than 90 %.
        (
            (20, 20, 20),
            (0, 60, 0),
            20,
            "'dog' for 60 of 60 validation images, although",
        ),
        ((20, 20, 20), (3, 57, 0), 23, "no class has more than 20"),
        ((30, 30, 0), (60, 0, 0), 30, "'cat' for 60 of 60 validation images"),
        # Several labels, but no better than one.
        ((20, 20, 20), (30, 20, 10), 20, "right for 20 of 60 .* most frequent .* 20"),
        ((50, 5, 5), (50, 5, 5), 49, "right for 49 of 60 .* class is right for 50"),
        # One class has more than half: one label may be right for it.
        ((40, 10, 10), (60, 0, 0), 40, "is right for 40 of 60"),
    ],
)
def test_a_useless_model_is_explained(true, predicted, right, words):
    summary = summarize(true, predicted, right, NAMES)
    with pytest.raises(ValueError, match=f"^The float model .*{words}"):
        raise ValueError(summary.explain_fault("The float model", "val"))


@pytest.mark.parametrize(
    ("true", "predicted", "right"),
    [
        ((20, 20, 20), (6, 54, 0), 26),  # 90 % is not more than 90 %.
        ((20, 20, 20), (20, 20, 20), 21),
        ((50, 5, 5), (52, 4, 4), 51),
        ((55, 3, 2), (57, 2, 1), 58),  # One label for 95 %, as the images have.
        ((1, 1, 1), (1, 1, 1), 3),
        ((60, 0, 0), (60, 0, 0), 60),  # Nothing is known.
    ],
)
def test_a_useful_model_is_not(true, predicted, right):
    assert summarize(true, predicted, right, NAMES).explain_fault("x", "test") == ""


def test_the_split_is_named():
    summary = summarize((2, 2), (4, 0), 2, ("a", "b"))
    assert "4 of 4 test images" in summary.explain_fault("int8", "test")


def test_a_summary_survives_json_and_names_of_any_bytes():
    summary = summarize((2, 2), (4, 0), 2, ("caf\udce9", "b"))
    content = json.loads(json.dumps(dataclasses.asdict(summary)))
    assert PredictionSummary.from_json(content) == summary
    assert summary.label.encode()


@pytest.mark.parametrize("content", [{}, {"images": 1}, {"label": "x", "images": None}])
def test_a_damaged_record_raises_what_read_record_reports(content):
    with pytest.raises((KeyError, TypeError, ValueError)):
        PredictionSummary.from_json(content)
