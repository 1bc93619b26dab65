"""Scores of answers whose scores are known, and files against their models."""

import dataclasses
import json

import numpy as np
import pytest

from corallite.convert.evaluate.keras_model import (
    FLOAT_FILE,
    evaluate_keras,
    export_float,
)
from corallite.convert.evaluate.metrics import (
    Evaluation,
    Mistake,
    evaluate_file,
    score,
    wilson_interval,
)
from corallite.device.engine.classifier import Classifier
from corallite.device.model.manifest import read_manifest
from corallite.device.model.refusal import Refusal
from corallite.optimize.keras_graph.load import load_model
from corallite.train.data.load import load_data
from corallite.train.runs.run import Run


def test_confusion_has_the_truth_in_rows():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.1, 0.2, 0.7]])
    evaluation = score(probabilities, np.array([0, 0, 2]))
    assert evaluation.confusion == [[1, 0, 1], [0, 0, 0], [0, 0, 1]]
    assert evaluation.images == 3
    assert evaluation.top1 == pytest.approx(2 / 3)


def test_of_equal_probabilities_the_first_wins_as_on_the_device():
    evaluation = score(np.full((2, 4), 0.25, np.float32), np.array([0, 1]))
    assert evaluation.confusion[0][0] == evaluation.confusion[1][0] == 1
    assert evaluation.top1 == 0.5


def test_top5_of_seven_classes_and_of_fewer_than_five():
    ranking = np.array([[7, 6, 5, 4, 3, 2, 1]]) / 28
    assert score(ranking, np.array([4])).top5 == 1
    assert score(ranking, np.array([5])).top5 == 0
    assert score(np.array([[0.5, 0.3, 0.2]]), np.array([2])).top5 == 1


def test_calibration_error_of_a_known_case():
    # 0.9 sure and right 3 times of 4; 0.6 sure and never right, once.
    sure = [[0.9, 0.1]] * 4 + [[0.6, 0.4]]
    evaluation = score(np.array(sure), np.array([0, 0, 0, 1, 1]))
    expected = 0.8 * (0.9 - 0.75) + 0.2 * 0.6
    assert evaluation.calibration_error == pytest.approx(expected)


def test_calibration_error_of_certainty_that_is_right_is_zero():
    evaluation = score(np.eye(3), np.arange(3))
    assert evaluation.calibration_error == 0


def test_bins_hold_every_answer_and_give_the_error():
    sure = [[0.9, 0.1]] * 4 + [[0.6, 0.4]]
    evaluation = score(np.array(sure), np.array([0, 0, 0, 1, 1]))
    assert [x.count for x in evaluation.calibration] == [1, 4]
    assert [x.accuracy for x in evaluation.calibration] == [0.0, 0.75]
    assert [x.confidence for x in evaluation.calibration] == pytest.approx([0.6, 0.9])


def test_mistakes_are_listed_the_surest_first():
    sure = [[0.6, 0.3, 0.1], [0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2]]
    mistakes = score(np.array(sure), np.array([1, 2, 1, 1])).mistakes
    assert [x.row for x in mistakes] == [1, 0, 3]
    assert mistakes[1] == Mistake(0, 0, 0.6, 0.3)


def test_no_more_than_100_mistakes_are_listed():
    evaluation = score(np.tile([0.9, 0.1], (150, 1)), np.ones(150, int))
    assert len(evaluation.mistakes) == 100
    assert evaluation.confusion == [[0, 0], [150, 0]]


@pytest.mark.parametrize(
    ("successes", "count", "expected"),
    [
        # Newcombe, 1998, Statistics in Medicine 17, Table I, method 3.
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_wilson_interval_is_the_published_one(successes, count, expected):
    assert wilson_interval(successes, count) == pytest.approx(expected, abs=5e-5)


def test_wilson_interval_stays_within_0_and_1():
    low, high = wilson_interval(20, 20)
    assert 0.8 < low < high <= 1
    low, high = wilson_interval(0, 20)
    assert 0 <= low < high < 0.2


def test_an_evaluation_survives_json():
    evaluation = score(np.eye(3), np.array([0, 1, 1]))
    content = json.loads(json.dumps(dataclasses.asdict(evaluation)))
    assert Evaluation.from_json(content) == evaluation


def test_precision_falls_as_more_is_named():
    probabilities = np.array([[0.6, 0.4], [0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    coverage = score(probabilities, np.array([1, 0, 0, 0])).coverage
    assert [(x.named, x.precision) for x in coverage] == [
        (0.25, 1),
        (0.5, 1),
        (0.75, pytest.approx(2 / 3)),
        (1, 0.5),
    ]
    many = np.random.default_rng(0).dirichlet(np.ones(3), 1000)
    assert len(score(many, np.zeros(1000, int)).coverage) == 20


@pytest.mark.slow
def test_the_share_that_a_file_names_is_measured(small_run, tmp_path):
    path = small_run / "int8" / "model_int8.tflite"
    split, manifest = load_data(Run.open(small_run)).splits["test"], read_manifest(path)
    assert manifest
    sure = Refusal(threshold=0.9, background="red")
    found = evaluate_file(path, split, manifest.with_classes(refusal=sure))
    answers = np.array([Classifier(path).run(x) for x in split.images_rgb_u8])
    assert found.refusal and 0 < found.refusal.named < 1
    # Accuracy ignores it.
    assert found.top1 == (answers.argmax(1) == split.labels).mean()
    silent = manifest.with_classes(refusal=Refusal(threshold=1.0))
    assert evaluate_file(path, split, silent).refusal is None
    without = manifest.with_classes(refusal=None)
    assert evaluate_file(path, split, without).refusal is None


@pytest.mark.slow
def test_the_float_file_answers_as_the_keras_model(small_run):
    run = Run.open(small_run)
    data, stage = load_data(run), run.first()
    split = data.splits["test"]
    path = export_float(stage, data)
    assert path == stage.path / FLOAT_FILE
    model = load_model(stage.model_path)
    expected = model.predict(split.images_rgb_u8 / np.float32(255), verbose=0)
    classifier = Classifier(path)
    answers = np.array([classifier.run(image) for image in split.images_rgb_u8])
    # The same sums in another order: float32 rounds each to 1e-7.
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    assert np.all(answers.argmax(1) == expected.argmax(1))
    from_file, from_keras = (
        evaluate_file(path, split),
        evaluate_keras(stage.model_path, split),
    )
    assert from_file.confusion == from_keras.confusion
    assert (from_file.latency_p50_ms or 0) > 0
    assert from_keras.latency_p50_ms is None
