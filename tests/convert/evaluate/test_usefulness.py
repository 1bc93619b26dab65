"""A stage that predicts one label is warned of, wherever results are shown."""

import numpy as np

from corallite.convert.evaluate.metrics import StageResult, score
from corallite.convert.evaluate.table import format_results, format_table
from corallite.convert.evaluate.usefulness import (
    list_warnings,
    summarize_evaluation,
    to_json,
)

NAMES = ("cat", "dog", "owl")
LABELS = np.arange(12) % 3


def result(stage, predicted):
    return StageResult(stage, score(np.eye(3)[predicted], LABELS), None)


GOOD = result("float", LABELS)
CONSTANT = result("pruned", np.ones(12, int))


def test_the_summary_is_that_of_the_confusion_matrix():
    summary = summarize_evaluation(CONSTANT.evaluation, NAMES)
    counts = (summary.images, summary.right, summary.largest_class, summary.predicted)
    assert counts == (12, 4, 4, 12)
    assert summary.label == "dog"


def test_each_useless_stage_is_named_and_the_first_has_a_suggestion():
    results = [GOOD, CONSTANT, result("int8", np.ones(12, int))]
    first, second = list_warnings(results, NAMES, "test")
    assert first.startswith("pruned predicts 'dog' for 12 of 12 test images, although")
    assert "a lower --sparsity" in first
    assert second.startswith("int8 predicts 'dog'") and "--" not in second
    assert list_warnings([GOOD], NAMES, "test") == []


def test_warnings_are_below_the_table_in_80_columns():
    text = format_results([GOOD, CONSTANT], NAMES, "val")
    assert text.startswith(format_table([GOOD, CONSTANT]) + "\n\nWarning: pruned ")
    assert max(map(len, text.splitlines())) <= 80
    assert format_results([GOOD], NAMES, "val") == format_table([GOOD])


def test_json_has_the_summary_and_the_warning():
    content = to_json(CONSTANT, NAMES, "test")
    assert content["predictions"]["label"] == "dog"
    assert "12 of 12 test images" in content["warning"]
    assert content["evaluation"]["images"] == 12
    assert to_json(GOOD, NAMES, "test")["warning"] == ""


def test_a_file_from_elsewhere_has_no_suggestion():
    (warning,) = list_warnings([result("file", np.zeros(12, int))], NAMES, "test")
    assert warning.startswith("file predicts 'cat' for 12 of 12 test images")
    assert "--" not in warning
