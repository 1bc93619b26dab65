"""A features file is opened, and other files are refused."""

import hashlib

import pytest

from corallite.device.learn.features_file import FeaturesFile
from corallite.device.model.write import attach_manifest
from corallite.device.system.errors import RequestError


def test_facts_of_a_features_file_are_read(features_path):
    features = FeaturesFile.open(features_path)
    content = features_path.read_bytes()
    assert (features.path, features.content) == (features_path, content)
    assert features.sha256 == hashlib.sha256(content).hexdigest()
    assert features.size == features.output.shape[-1] and features.compiled is None


def test_classifier_is_no_features_file(features_path, tmp_path):
    features = FeaturesFile.open(features_path)
    labels = tuple(f"class {number}" for number in range(features.size))
    manifest = features.manifest.with_classes(values="probabilities", labels=labels)
    classifier = tmp_path / "classifier.tflite"
    classifier.write_bytes(attach_manifest(features.content, manifest))
    with pytest.raises(RequestError, match="not a features file; make one with: cor"):
        FeaturesFile.open(classifier)


def test_file_that_cannot_be_read_is_refused(tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(RequestError, match=f"{path.name}: "):
            FeaturesFile.open(path)
