"""Boxes in a manifest: round trip, and what is refused."""

import json

import pytest
from fixtures.tiny_detector import describe, make_detector

from corallite.device.model.manifest import BoxesOutput, Manifest, read_manifest
from corallite.device.model.metadata import describe_metadata
from corallite.device.model.signature import ModelSignature, TensorSpec
from corallite.device.system.errors import RequestError

BOXES = BoxesOutput(("apple", "Käse"), "peaks", "places", 16, 0.45, 20)


@pytest.mark.parametrize("classes", [(), ("kitchen", "garden")])
def test_boxes_survive_the_round_trip(classes):
    manifest = describe(*BOXES[:1], classes=classes).with_boxes(**BOXES._asdict())
    text = json.dumps(manifest.to_json())
    assert Manifest.from_json(json.loads(text)) == manifest
    assert manifest.boxes == BOXES


def test_what_is_left_out_has_its_default():
    content = describe().to_json()
    content["outputs"] = [{"kind": "boxes", "labels": ["apple"]}]
    assert Manifest.from_json(content).boxes == BoxesOutput(("apple",))


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ({"labels": []}, "its boxes have no labels"),
        ({"labels": ["x" * 300]}, "a label has 300 characters"),
        ({"heatmap": 3}, "heatmap is not text"),
        ({"heatmap": "boxes"}, "its heatmap and its boxes are the same output"),
        ({"stride": 0}, "stride is 0, not from 1 to 256"),
        ({"threshold": 1.5}, "the threshold 1.5 is not from 0 to 1"),
        ({"threshold": "nan"}, "nan is not a number"),
        ({"most": 10**6}, "most is 1000000, not from 1 to 1000"),
        ({"kind": "masks"}, "the kind 'masks' is unknown; update corallite"),
    ],
)
def test_nonsense_is_refused(tmp_path, monkeypatch, field, why):
    content = describe().to_json()
    content["outputs"][0] |= field
    monkeypatch.setattr(Manifest, "to_json", lambda manifest: content)
    path = tmp_path / "a.tflite"
    path.write_bytes(make_detector())
    with pytest.raises(RequestError, match=f"its manifest is damaged .{why}"):
        read_manifest(path)


@pytest.mark.parametrize("kind", ["boxes", "classes"])
def test_each_kind_is_listed_once(kind):
    content = describe(classes=("kitchen", "garden")).to_json()
    content["outputs"] += [x for x in content["outputs"] if x["kind"] == kind]
    with pytest.raises(ValueError, match=f"it lists {kind} twice"):
        Manifest.from_json(content)


def test_labels_are_those_of_classes_if_there_are_any():
    assert describe(("a",)).labels == ("a",)
    both = describe(("a", "b"), classes=("b", "c"))
    assert both.labels == ("b", "c") and both.all_labels == ("b", "c", "a")
    assert describe().classes.labels == ()


def test_metadata_name_each_output_in_the_order_of_the_file():
    outputs = tuple(TensorSpec(x, (1, 3), "int8") for x in ("boxes", "x", "heatmap"))
    image = TensorSpec("image", (1, 64, 64, 3), "int8")
    root = describe_metadata(
        describe(classes=("a", "b")), ModelSignature((image,), outputs)
    )
    assert [x[0] for x in root[3][0][3]] == ["boxes", "probability", "heatmap"]
    assert "2 classes" in root[1] and "3 kinds" in root[1]
