"""The threshold of a cascade in the manifest, and what is refused there."""

import json

import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.cascade.fitted import Cascade
from corallite.device.model.manifest import Manifest, parse_manifest
from corallite.device.system.errors import RequestError

CASCADE = Cascade(0.8125, "large 1", "c0de", 0.91, 0.912, 0.25, 400)
PLAIN = Manifest.of_classifier("small", "1", ("a", "b"), Preprocessing((8, 8)))


def test_manifest_keeps_a_cascade():
    content = PLAIN._replace(cascade=CASCADE).to_json()
    assert Manifest.from_json(content).cascade == CASCADE


@pytest.mark.parametrize("content", [{}, {"cascade": None}])
def test_manifest_without_a_cascade_has_none(content):
    assert Manifest.from_json({**PLAIN.to_json(), **content}).cascade is None


@pytest.mark.parametrize(
    "changed",
    [
        {"threshold": 1.5},
        {"threshold": "high"},
        {"photos": -1},
        {"second": "x" * 100_000},
        {"second_hash": "x" * 100_000},
        {"share": None},
    ],
)
def test_damaged_cascade_is_refused(changed):
    content = {**PLAIN.to_json(), "cascade": {**CASCADE.to_json(), **changed}}
    with pytest.raises(RequestError, match=r"small\.tflite: its manifest is damaged"):
        parse_manifest(json.dumps(content), "small.tflite")


def test_cascade_that_is_no_object_is_refused():
    content = {**PLAIN.to_json(), "cascade": [0.5]}
    with pytest.raises(RequestError, match="its cascade is not an object"):
        parse_manifest(json.dumps(content), "small.tflite")
