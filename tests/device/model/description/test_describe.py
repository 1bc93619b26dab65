"""Who overrules whom: the user, our manifest, TFLite Metadata, the graph."""

import pytest
from fixtures.small_models import write_model

from corallite.device.image.spec import Preprocessing
from corallite.device.model.description.describe import MANIFEST, Overrides, describe
from corallite.device.model.manifest import Manifest, SelfTest
from corallite.device.model.write import attach_manifest
from corallite.device.system.errors import RequestError

OWN = Manifest.of_classifier(
    "own",
    "1",
    ("r", "g", "b"),
    Preprocessing((4, 4), "pad"),
    selftest=SelfTest(1, 0, 1),
)


def test_the_graph_tells_without_anything_else():
    found = describe("a/b.tflite", write_model(before=[("MUL", 1 / 255)], last=None))
    assert found.manifest.labels == () and found.labels_from == ""
    assert found.manifest.image.input_range == (0.0, 255.0)
    assert found.manifest.classes.values == "logits"
    assert found.manifest.model == "b" and found.warnings == ()
    assert "pixels as 0 to 255 (known from its first operators)" in found.takes
    assert "3 numbers: logits" in found.gives


def test_an_assumed_range_is_a_warning_that_names_the_flag():
    found = describe("a.tflite", write_model())
    assert found.manifest.image.input_range == (0.0, 1.0) and found.range_from == ""
    assert "(assumed)" in found.takes
    (warning,) = found.warnings
    assert "--input_range" in warning
    says = Overrides(input_range=(0.0, 1.0))
    assert describe("a.tflite", write_model(), says).warnings == ()


def test_metadata_give_labels_and_range():
    content = write_model(labels=("x", "y", "z"), normalization=(127.5, 127.5))
    found = describe("a.tflite", content)
    assert found.manifest.labels == ("x", "y", "z")
    assert found.labels_from == "its TFLite Metadata (labels.txt)"
    assert found.manifest.image.input_range == (-1.0, 1.0) and not found.warnings


def test_our_manifest_overrules_metadata_and_the_graph():
    content = write_model(
        labels=("x", "y", "z"), normalization=(127.5, 127.5), last=None
    )
    found = describe("a.tflite", attach_manifest(content, OWN))
    assert found.manifest == OWN
    assert {found.range_from, found.values_from, found.labels_from} == {MANIFEST}
    assert found.warnings == ()


def test_the_user_overrules_all():
    says = Overrides(("1", "2", "3"), "stretch", (-2.0, 2.0), "logits")
    content = write_model(labels=("x", "y", "z"), normalization=(127.5, 127.5))
    for given in (content, attach_manifest(content, OWN)):
        found = describe("a.tflite", given, says).manifest
        assert found.labels == ("1", "2", "3") and found.preprocessing.fit == "stretch"
        assert (
            found.image.input_range == (-2.0, 2.0) and found.classes.values == "logits"
        )
        assert found.selftest is None


def test_a_damaged_manifest_is_refused_unless_there_are_labels():
    content = attach_manifest(write_model(), OWN).replace(b'"labels"', b'"lables"')
    with pytest.raises(RequestError, match="its manifest is damaged"):
        describe("a.tflite", content)


def test_metadata_that_are_damaged_are_a_warning():
    content = write_model(labels=("x", "y", "z")).replace(b"M001", b"M999")
    found = describe("a.tflite", content)
    assert found.manifest.labels == ()
    assert "its TFLite Metadata are damaged" in found.warnings[0]


def test_one_sigmoid_needs_two_labels():
    content = write_model((1, 4, 4, 1), last="LOGISTIC")
    assert "second of two labels" in describe("a.tflite", content).gives
    with pytest.raises(RequestError, match="one output.* give both with --labels"):
        describe("a.tflite", content, Overrides(("cat",)))
    found = describe("a.tflite", content, Overrides(("cat",), output="multilabel"))
    assert found.manifest.classes.is_multilabel


def test_a_file_for_the_edge_tpu_has_the_structure_of_its_fallback():
    found = describe("a.tflite", write_model(last=None), carried=OWN)
    assert found.manifest == OWN and found.classes == 3
