"""A taught file is an ordinary int8 classifier that predicts what its head does."""

import sys

import numpy as np
import pytest

from corallite.convert.audit.audit_text import format_audit
from corallite.convert.audit.examine import audit_file
from corallite.device.engine.classifier import Classifier
from corallite.device.engine.open_model import ModelRequest, open_model
from corallite.device.image.preprocess import read_image
from corallite.device.learn.embed import embed_photos
from corallite.device.learn.features_file import FeaturesFile
from corallite.device.learn.head import Head, fit_head
from corallite.device.learn.photos import list_photos
from corallite.device.learn.write_taught import describe_taught, write_taught
from corallite.device.model import selftest
from corallite.device.model.archive import split_archive
from corallite.device.system.errors import RequestError


@pytest.fixture
def features(features_path):
    return FeaturesFile.open(features_path)


@pytest.fixture
def photos(make_photos):
    return list_photos(make_photos(red=12, green=12, blue=12))


@pytest.fixture
def embedded(photos, features):
    return embed_photos(photos.paths, features)


@pytest.fixture
def write(features, embedded, photos, tmp_path):
    """A function that writes the file of a head and returns its path."""

    def write(head):
        names = photos.class_names
        manifest = describe_taught(features, names, embedded.sha256, 0.9)
        content, compiled = write_taught(
            features, head, embedded.features, manifest, {"notes.txt": b"kept"}
        )
        assert compiled is None
        path = tmp_path / "taught.tflite"
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def head(embedded, photos):
    labels = np.array(photos.labels)
    return fit_head(embedded.features, labels, np.arange(36), 3)[0]


def predict(path, photos):
    classifier = Classifier(path)
    return np.array([classifier.classify(read_image(x)) for x in photos.paths])


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def test_file_predicts_what_the_head_does(write, head, embedded, photos):
    found = predict(write(head), photos)
    expected = softmax(embedded.features @ head.kernel + head.bias)
    assert np.abs(found - expected).max() < 0.05
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.95
    assert (found.argmax(1) == photos.labels).mean() > 0.95


@pytest.mark.parametrize("scale", [0.5, 1.0, 1e4])
def test_heads_of_any_size_are_written(write, photos, embedded, scale):
    rng = np.random.default_rng(0)
    head = Head(scale * rng.normal(size=(3, 3)), scale * rng.normal(size=3))
    logits = embedded.features @ head.kernel + head.bias
    found = predict(write(head), photos)
    step = (logits.max() - logits.min()) / 100
    best = logits[np.arange(36), found.argmax(1)]
    assert (best >= logits.max(1) - 2 * step).all()


def test_a_head_of_zeros_is_written(write, photos):
    found = predict(write(Head(np.zeros((3, 3)), np.zeros(3))), photos)
    assert np.allclose(found, 1 / 3, atol=0.01)


def test_manifest_says_what_a_device_needs(write, head, photos, embedded):
    path = write(head)
    engine = open_model(ModelRequest(str(path)))
    assert engine.labels == ("blue", "green", "red")
    manifest = engine.manifest
    assert manifest.preprocessing.size_hw == (32, 32)
    assert manifest.classes.values == "probabilities"
    assert manifest.accuracy == {"folds": 0.9}
    assert manifest.version.startswith("taught ")
    selftest.check(engine)
    assert split_archive(path.read_bytes())[1]["notes.txt"] == b"kept"


def test_same_photos_give_the_same_bytes(write, head):
    assert write(head).read_bytes() == write(head).read_bytes()


def test_file_is_audited(write, head):
    found = audit_file(write(head), ask_xnnpack=False)
    names = [operator.name for operator in found.model.main.operators]
    assert names[-2:] == ["FULLY_CONNECTED", "SOFTMAX"]
    assert found.not_int8 == [] and found.dynamic == []
    assert found.manifest_error == found.metadata_error == found.refusal == ""


def test_a_features_file_is_audited(features_path):
    text = format_audit(audit_file(features_path, ask_xnnpack=False))
    assert "3 numbers: features" in text
    assert "none; make a model of it with corallite teach" in text


def test_a_features_file_is_not_classified_with(features_path):
    with pytest.raises(RequestError, match="names no classes; .*corallite teach"):
        open_model(ModelRequest(str(features_path)))


def test_a_machine_without_schema_refuses_in_one_sentence(write, head, monkeypatch):
    """As 32-bit Arm, where only tflite-runtime exists."""
    monkeypatch.delitem(sys.modules, "corallite.device.model.write")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.schema_py_generated", None)
    monkeypatch.delattr("corallite.device.model.write")
    monkeypatch.delattr("ai_edge_litert.schema_py_generated")
    with pytest.raises(RequestError, match="32-bit Arm has none") as raised:
        write(head)
    assert "\n" not in str(raised.value)
