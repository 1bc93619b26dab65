"""The int8 file in MediaPipe, which is installed only for `make test-runtimes`."""

import json
import os

import numpy as np
import pytest
from fixtures.small_run import open_run

from corallite.convert.export import environment
from corallite.convert.export.convert import convert
from corallite.device.engine.classifier import Classifier
from corallite.device.engine.overrides import choose_manifest
from corallite.device.system.errors import RequestError

RUNTIMES = os.environ.get("CORALLITE_TEST_RUNTIMES")


@pytest.fixture
def stand_in(small_copy, monkeypatch):
    """A function that sets what MediaPipe gives: (change of our probabilities)."""
    run, data = open_run(small_copy)
    path = run.stage("int8").model_path
    # MediaPipe knows no temperature.
    manifest = choose_manifest(path).with_classes(refusal=None)
    classifier = Classifier(path, manifest=manifest)

    def answer(change):
        def predict(name, arguments, *, timeout_s):
            assert name == "mediapipe" and timeout_s > 0
            images = np.load(arguments[-1])
            scores = [change(classifier.run(x)).tolist() for x in images]
            rows = [dict(zip(data.class_names, x, strict=True)) for x in scores]
            return f"a line of its log\n{json.dumps(rows)}\n"

        monkeypatch.setattr(environment, "run", predict)

    return answer


@pytest.mark.slow
def test_the_file_is_exported_if_labels_are_equal(small_copy, stand_in):
    run, data = open_run(small_copy)
    stand_in(lambda probabilities: probabilities + 0.01)
    stage = convert(run, data, target="mediapipe")
    assert stage.model_path.read_bytes() == run.stage("int8").model_path.read_bytes()
    compared = stage.metrics()["compared"]
    assert compared["images"] == min(200, len(data.judging.labels))
    assert compared["largest_difference"] == pytest.approx(0.01, abs=1e-5)


@pytest.mark.slow
def test_another_label_is_refused_and_nothing_is_written(small_copy, stand_in):
    run, data = open_run(small_copy)
    stand_in(lambda probabilities: np.roll(probabilities, 1))
    with pytest.raises(RequestError, match="MediaPipe gives another label for [1-9]"):
        convert(run, data, target="mediapipe")
    assert not run.stage("exports/mediapipe").is_complete()
    assert not list((small_copy / "exports").glob("mediapipe/*.tflite"))


@pytest.mark.slow
@pytest.mark.skipif(not RUNTIMES, reason="runs in make test-runtimes")
def test_mediapipe_takes_the_file(small_copy, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", RUNTIMES)
    run, data = open_run(small_copy)
    compared = convert(run, data, target="mediapipe").metrics()["compared"]
    assert compared["images"] > 0
    assert compared["largest_difference"] <= 1e-5
