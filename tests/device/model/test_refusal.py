"""When the label of a result is "unknown", by thresholds that are given."""

import json

import numpy as np
import pytest

from corallite.device.model.refusal import Refusal, reaches

NAMES = ("cat", "dog", "none")
REFUSAL = Refusal(threshold=0.6, thresholds={"dog": 0.8}, background="none")


def test_temperature_two_takes_roots():
    given = np.array([[0.7, 0.2, 0.1], [0.0, 0.25, 0.75]], np.float32)
    softer = Refusal(temperature=2.0).calibrate(given)
    roots = np.sqrt(given)
    np.testing.assert_allclose(softer, roots / roots.sum(1, keepdims=True), rtol=1e-6)
    assert softer.dtype == np.float32
    assert Refusal().calibrate(given) is given


def test_rows_are_named_as_single_results_are():
    rows = np.array(
        [[0.6, 0.4, 0], [0.59, 0.41, 0], [0.3, 0.7, 0], [0.2, 0.8, 0], [0, 0.1, 0.9]],
        np.float32,
    )
    found = REFUSAL.name_each(rows, NAMES)
    assert found.tolist() == [True, False, False, True, False]
    single = [REFUSAL.names(NAMES[row.argmax()], float(row.max())) for row in rows]
    assert single == found.tolist()


def test_threshold_is_compared_in_float32():
    # 0.7 of a model is 0.699999988.
    assert reaches(float(np.float32(0.7)), 0.7)
    assert not reaches(0.69, 0.7)


@pytest.mark.parametrize(
    ("precision", "correct"),
    [
        (0.96, "96.0 % of these correctly"),
        (0.9, "90.0 % of these correctly (target: 95 %)"),
    ],
)
def test_missed_target_is_told(precision, correct):
    refusal = Refusal(target_precision=0.95, precision=precision, coverage=0.7)
    expected = f"names 70 % of photos, {correct}; the others are unknown"
    assert refusal.explain() == expected


def test_json_has_the_terms_of_the_field():
    content = REFUSAL.to_json()
    assert Refusal.from_json(content) == REFUSAL
    assert set(content) == {
        *("temperature", "threshold", "thresholds", "background"),
        *("target_precision", "precision", "coverage", "photos", "scores"),
    }
    with pytest.raises(ValueError, match="is not from 0 to 1"):
        Refusal.from_json({**content, "coverage": 1.5})


def test_scores_of_the_training_are_kept():
    refusal = REFUSAL._replace(scores=(0, 0, 0, 0, 0, 0, 0, 3, 40, 157))
    text = json.dumps(refusal.to_json())
    assert Refusal.from_json(json.loads(text)) == refusal


@pytest.mark.parametrize(
    ("scores", "error"),
    [([-1] * 10, ValueError), (3, TypeError), ([[]] * 10, TypeError)],
)
def test_scores_that_are_no_numbers_are_refused(scores, error):
    with pytest.raises(error):
        Refusal.from_json({**REFUSAL.to_json(), "scores": scores})


def test_scores_in_other_bins_are_left_out():
    content = {**REFUSAL.to_json(), "scores": [5] * 20}
    assert Refusal.from_json(content).scores == ()


@pytest.mark.parametrize("temperature", [0.01, 0.25, 1.0, 8.0, 100.0])
def test_temperature_keeps_the_ranking(temperature):
    # As a power of 100, all of them are below what float32 holds.
    probabilities = np.array([0.1, 0.2, 0.4, 0.3], np.float32)
    found = Refusal(temperature).calibrate(probabilities)
    assert found.argmax() == 2 and found.dtype == np.float32
    assert found.sum() == pytest.approx(1)


def test_zeros_stay_zeros():
    assert (Refusal(2.0).calibrate(np.zeros((2, 3), np.float32)) == 0).all()


def test_labels_in_other_words_keep_their_places():
    refusal = Refusal(2.0, 0.5, {"cat": 0.75}, background="none")
    found = refusal.rename(("cat", "dog", "none"), ("Katze", "Hund", "nichts"))
    assert found == Refusal(2.0, 0.5, {"Katze": 0.75}, background="nichts")
    assert found.rename(("Katze",), ()) == Refusal(2.0, 0.5)
