"""The manifest: round trip, replacement, damage."""

import io
import json
import os
import zipfile
from typing import Any

import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.device.model import manifest as manifest_module
from corallite.device.model.archive import append_archive
from corallite.device.model.manifest import Manifest, SelfTest, read_manifest
from corallite.device.model.metadata import Number
from corallite.device.model.refusal import Refusal
from corallite.device.model.write import attach_manifest, pack_tables
from corallite.device.system.errors import RequestError

# A model with one graph without content and one buffer without bytes.
MODEL = pack_tables({0: Number("Uint32", 3), 2: [{}], 4: [{}]}, b"TFL3")
MANIFEST = Manifest.of_classifier(
    model="shufflenet_v2 1.0x",
    version="3",
    labels=("cat", "Käse brot", "犬"),
    preprocessing=Preprocessing((32, 48), "pad"),
    data_fingerprint="ab12",
    accuracy={"float": 0.91, "int8": 0.905},
    versions={"tensorflow": "2.21.0"},
    selftest=SelfTest(1, 2, 0.875),
)

FORMAT_1 = MANIFEST.to_format_1()


def write(tmp_path, content):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    return path


def test_manifest_survives_the_round_trip(tmp_path):
    path = write(tmp_path, attach_manifest(MODEL, MANIFEST))
    assert read_manifest(path) == MANIFEST


def test_refusal_survives_the_round_trip(tmp_path):
    thresholds = {"Käse brot": 0.25}
    refusal = Refusal(1.5, 0.5, thresholds, "cat", 0.95, 0.96, 0.75, 240)
    manifest = MANIFEST.with_classes(refusal=refusal)
    path = write(tmp_path, attach_manifest(MODEL, manifest))
    assert read_manifest(path) == manifest
    assert manifest.to_format_1()["refusal"]["threshold"] == 0.5


@pytest.mark.parametrize(
    "field",
    [
        {"temperature": 0},
        {"temperature": "NaN"},
        {"threshold": 1.5},
        {"threshold": -0.1},
        {"thresholds": {"cat": None}},
        {"thresholds": ["cat"]},
        {"background": "x" * 300},
        {"photos": "many"},
        {"photos": -1},
        {"thresholds": {f"class {n}": 0.5 for n in range(4)}},
    ],
)
def test_refusal_of_nonsense_is_refused(tmp_path, field):
    content = MANIFEST.with_classes(refusal=Refusal()).to_json()
    content["outputs"][0]["refusal"] |= field
    _require_damaged(tmp_path, content)


@pytest.mark.parametrize("refusal", [0, False, "", [], "never", 3, [1]])
def test_what_is_no_refusal_is_refused(tmp_path, refusal):
    content = MANIFEST.to_json()
    content["outputs"][0]["refusal"] = refusal
    _require_damaged(tmp_path, content)


def test_empty_refusal_names_all(tmp_path):
    content = MANIFEST.to_json()
    content["outputs"][0]["refusal"] = {}
    assert Manifest.from_json(content).classes.refusal == Refusal()


def test_refusal_of_several_labels_is_refused(tmp_path):
    # Its temperature would make the probabilities of the labels sum to 1.
    content = MANIFEST.with_classes(values="multilabel", refusal=Refusal(2.0)).to_json()
    _require_damaged(tmp_path, content)


def test_text_of_a_manifest_can_be_written(tmp_path):
    found = Manifest.from_json({**MANIFEST.to_json(), "version": "a\ud800"})
    assert found.version == "a\\ud800"


def _require_damaged(tmp_path, content):
    file = append_archive(MODEL, {"corallite.json": json.dumps(content).encode()})
    with pytest.raises(RequestError, match="its manifest is damaged"):
        read_manifest(write(tmp_path, file))


def test_content_is_read_as_the_file_is(tmp_path):
    content = attach_manifest(MODEL, MANIFEST)
    assert read_manifest(tmp_path / "gone.tflite", content) == MANIFEST
    assert read_manifest(tmp_path / "gone.tflite", MODEL) is None


def test_manifest_without_a_selftest_is_read():
    content = MANIFEST.to_json()
    del content["selftest"]
    assert Manifest.from_json(content).selftest is None


def test_format_1_is_read():
    assert Manifest.from_json(FORMAT_1) == MANIFEST
    unknown = MANIFEST.with_classes(values="")
    assert Manifest.from_json({**FORMAT_1, "output": ""}) == unknown


def test_model_stays_at_the_front_of_the_file():
    assert attach_manifest(MODEL, MANIFEST)[4:8] == b"TFL3"


def test_labels_are_readable_by_any_unzip():
    with zipfile.ZipFile(io.BytesIO(attach_manifest(MODEL, MANIFEST))) as archive:
        assert archive.read("labels.txt").decode() == "cat\nKäse brot\n犬\n"
        kinds = {entry.compress_type for entry in archive.infolist()}
    assert kinds == {zipfile.ZIP_STORED}


def test_labels_of_odd_folder_names_stay_one_a_line(tmp_path):
    odd = MANIFEST.with_classes(labels=("two\nlines", "bad\udcff", "c"))
    content = attach_manifest(MODEL, odd)
    assert read_manifest(write(tmp_path, content)) == odd
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("labels.txt") == b"two lines\nbad?\nc\n"


def test_attaching_again_replaces_and_keeps_third_party_files(tmp_path):
    content = io.BytesIO(MODEL)
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("other.txt", "kept")
    once = attach_manifest(content.getvalue(), MANIFEST)
    newer = MANIFEST._replace(version="4")
    twice = attach_manifest(once, newer)
    assert twice == attach_manifest(attach_manifest(twice, MANIFEST), newer)
    assert len(twice) == len(once)
    assert read_manifest(write(tmp_path, twice)) == newer
    with zipfile.ZipFile(io.BytesIO(twice)) as archive:
        assert archive.read("other.txt") == b"kept"


def test_model_without_manifest_gives_none(tmp_path):
    assert read_manifest(write(tmp_path, MODEL)) is None
    assert read_manifest(write(tmp_path, b"")) is None


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(RequestError, match="nowhere.tflite: cannot be read"):
        read_manifest(tmp_path / "nowhere.tflite")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RequestError, match="pipe: cannot be read .is not a regular"):
        read_manifest(tmp_path / "pipe")


def test_newer_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest_module, "FORMAT", 3)
    path = write(tmp_path, attach_manifest(MODEL, MANIFEST))
    monkeypatch.undo()
    with pytest.raises(RequestError, match="format 3.*update corallite"):
        read_manifest(path)


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        "{}",
        json.dumps({"format": 1, "labels": 3}),
        '{"format": 2, "inputs": ' + "[" * 100_000 + "]" * 100_000 + "}",
        json.dumps({**MANIFEST.to_json(), "outputs": []}),
        json.dumps({**MANIFEST.to_json(), "outputs": [{"kind": "boxes"}]}),
        json.dumps({**MANIFEST.to_json(), "format": float("inf")}),
        json.dumps({**MANIFEST.to_json(), "accuracy": None}),
        json.dumps({**MANIFEST.to_json(), "accuracy": {"int8": float("nan")}}),
        json.dumps({**MANIFEST.to_json(), "accuracy": {"int8": "nan"}}),
        json.dumps({**MANIFEST.to_json(), "accuracy": {"int8": "-inf"}}),
        json.dumps({**FORMAT_1, "input_range": ["nan", 1]}),
        json.dumps({**FORMAT_1, "colour_order": "BGR"}),
        json.dumps({**MANIFEST.to_json(), "versions": ["1"]}),
        json.dumps({**MANIFEST.to_json(), "model": 7}),
        json.dumps(MANIFEST.to_json()).replace('"format": 2', '"format": 1e999'),
        json.dumps({**FORMAT_1, "preprocessing": {"size_hw": [0, 1]}}),
    ],
)
def test_manifest_of_nonsense_is_refused(tmp_path, text):
    content = io.BytesIO(MODEL)
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("corallite.json", text)
    with pytest.raises(RequestError, match="manifest is damaged"):
        read_manifest(write(tmp_path, content.getvalue()))


TOO_LONG: dict[str, dict[str, Any]] = {
    "a label has 257 characters": {"labels": ["a", "b" * 257]},
    "model has 1,025 characters": {"model": "m" * 1025},
    "version has 1,025 char": {"version": "v" * 1025},
    "output has|values has 1,025": {"output": "o" * 1025},
    "tool has 1,025 char": {"versions": {"tool": "1" * 1025}},
    "a name in versions has": {"versions": {"t" * 1025: "1"}},
    "versions has 101 entries": {"versions": {str(i): "" for i in range(101)}},
    "a name in accuracy has": {"accuracy": {"a" * 1025: 1}},
    "could not convert string": {"accuracy": {"int8": "z" * 10**6}},
    "Expected `fit`": {"preprocessing": {"size_hw": [1, 1], "fit": "f" * 10**6}},
}


@pytest.mark.parametrize("reason", TOO_LONG)
def test_text_that_is_too_long_is_refused_in_a_short_sentence(tmp_path, reason):
    content = io.BytesIO(MODEL)
    with zipfile.ZipFile(content, "a") as archive:
        text = json.dumps({**FORMAT_1, **TOO_LONG[reason]})
        archive.writestr("corallite.json", text)
    path = write(tmp_path, content.getvalue())
    with pytest.raises(RequestError, match=f"manifest is damaged .({reason})") as error:
        read_manifest(path)
    assert len(str(error.value)) < 500 + len(str(path))


def test_longest_class_folder_name_is_a_label(tmp_path):
    name = "n" * os.pathconf(tmp_path, "PC_NAME_MAX")
    longest = MANIFEST.with_classes(labels=("a", name, "c" * 256))
    path = write(tmp_path, attach_manifest(MODEL, longest))
    assert read_manifest(path) == longest


def test_any_flipped_byte_gives_a_manifest_or_one_sentence(tmp_path):
    content = attach_manifest(MODEL, MANIFEST)
    refused = 0
    for position in range(content.index(b"PK\3\4"), len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path = write(tmp_path, damaged)
        try:
            assert read_manifest(path) in (MANIFEST, None)
        except RequestError:
            refused += 1
    # The whole JSON is under a checksum.
    assert refused > len(json.dumps(MANIFEST.to_json()))


def test_attaching_to_a_damaged_archive_is_refused():
    content = bytearray(attach_manifest(MODEL, MANIFEST))
    content[content.index(b"cat")] ^= 1
    with pytest.raises(ValueError, match="intact archive"):
        attach_manifest(bytes(content), MANIFEST)


@pytest.mark.parametrize("content", [b"", MODEL[:20], b"\xff" * 64])
def test_attaching_to_a_damaged_model_is_refused(content):
    with pytest.raises(ValueError, match="`content` to be intact"):
        attach_manifest(content, MANIFEST)
