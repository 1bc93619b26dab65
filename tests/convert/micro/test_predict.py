"""TensorFlow Lite Micro computes what LiteRT's reference kernels compute."""

import platform

import numpy as np
import pytest
from fixtures.small_models import write_model

from corallite.convert.micro.predict import (
    compare_with_litert,
    cut_before_dense,
    predict_by_micro,
)
from corallite.convert.tflite.reader import decode
from corallite.device.engine.classifier import Classifier
from corallite.device.engine.runners import tflite_micro
from corallite.device.image.spec import Preprocessing
from corallite.device.model.manifest import Manifest

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="tflite-micro is for x86-64 only"
)
MANIFEST = Manifest.of_classifier("tiny", "1", ("a", "b", "c"), Preprocessing((4, 4)))


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), np.uint8)


def test_numbers_are_those_of_the_reference_kernels(images):
    content = write_model(kind="INT8")
    found = compare_with_litert(content, MANIFEST, images)
    assert found.images == found.same_before_dense == 20
    # A dense layer may differ by one step.
    assert found.same_scores >= 15
    assert found.same_label >= 18
    assert 0 <= found.most_difference < 256
    scores = predict_by_micro(content, MANIFEST, images)
    assert scores.shape == (20, 3) and scores.dtype == np.int8
    assert len(np.unique(scores, axis=0)) > 1


def test_model_is_cut_before_its_first_dense_layer(writer):
    x = writer.operator("MEAN", [writer.input(), writer.integers(1, 2)], (1, 4))
    whole = writer.content(writer.dense(writer.dense(x, 3), 3))
    before = decode(cut_before_dense(whole)).main
    assert [x.name for x in before.operators] == ["MEAN"]
    assert before.outputs[0].shape == (1, 4)


@pytest.mark.parametrize("build", ["conv", "dense"])
def test_model_without_anything_before_stays_whole(writer, build):
    x = writer.input((1, 4))
    whole = writer.content(writer.dense(x, 3) if build == "dense" else writer.conv(x))
    assert cut_before_dense(whole) is whole


def test_a_classifier_can_have_the_runner(images):
    content = write_model(kind="INT8")
    runner = tflite_micro.load("tiny.tflite", content=content)
    classifier = Classifier("tiny.tflite", manifest=MANIFEST, runner=runner)
    scores = predict_by_micro(content, MANIFEST, images)
    expected = (scores[0].astype(np.float32) + 128) / 256
    assert np.allclose(classifier.run(images[0]), expected)
