"""Models without our manifest, and flags in place of what a manifest says."""

import io
import os
import zipfile

import pytest
from fixtures.small_models import write_model

from corallite.device.engine.classifier import Classifier
from corallite.device.engine.overrides import choose_manifest, read_labels
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.archive import split_archive
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import Refusal
from corallite.device.model.write import attach_manifest
from corallite.device.system import files
from corallite.device.system.errors import RequestError


@pytest.fixture
def labels_file(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(b"\xef\xbb\xbfred\r\nbright green\r\nblue\r\n\r\n")
    return path


def test_labels_make_a_third_party_model_usable(tiny_models, labels_file):
    path = tiny_models["int8"]
    manifest = choose_manifest(path, labels_path=labels_file, fit="pad")
    assert manifest.labels == ("red", "bright green", "blue")
    assert manifest.preprocessing == Preprocessing((32, 32), "pad")
    assert manifest.image.input_range == (0.0, 1.0)
    assert Classifier(path, manifest=manifest).labels == manifest.labels


def test_model_without_manifest_and_labels_is_refused(tiny_models):
    with pytest.raises(RequestError, match="no manifest; give classify or serve --lab"):
        choose_manifest(tiny_models["int8"])


def test_what_is_no_model_is_not_asked_for_labels(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_text("something else")
    with pytest.raises(RequestError, match="is not a TFLite model"):
        choose_manifest(path)


def test_flags_replace_what_the_manifest_says(tiny_models, tmp_path, labels_file):
    manifest = Manifest.of_classifier(
        "tiny", "1", ("r", "g", "b"), Preprocessing((32, 32))
    )
    path = tmp_path / "model.tflite"
    path.write_bytes(attach_manifest(tiny_models["uint8"].read_bytes(), manifest))
    assert choose_manifest(path) == manifest
    changed = choose_manifest(
        path, labels_path=labels_file, fit="stretch", input_range=(-1.0, 1.0)
    )
    assert changed.labels == ("red", "bright green", "blue")
    assert changed.preprocessing.fit == "stretch"
    assert changed.image.input_range == (-1.0, 1.0)
    assert (changed.model, changed.version) == ("tiny", "1")


@pytest.mark.parametrize(
    ("old", "new"), [(b'"labels"', b'"lables"'), (b'"format": 2', b'"format": 9')]
)
def test_a_damaged_manifest_is_used_with_labels_only(
    tiny_models, tmp_path, labels_file, old, new
):
    """As if there were none: nothing that it says is believed."""
    manifest = Manifest.of_classifier(
        "tiny", "1", ("r", "g", "b"), Preprocessing((32, 32), "pad")
    )
    content = attach_manifest(tiny_models["uint8"].read_bytes(), manifest)
    path = tmp_path / "model.tflite"
    path.write_bytes(repack(content, old, new))
    with pytest.raises(
        RequestError, match="manifest (is damaged.*labels=FILE|has for)"
    ):
        choose_manifest(path)
    with pytest.raises(RequestError, match="manifest (is damaged|has format 9)"):
        choose_manifest(path, fit="crop", input_range=(0.0, 1.0))
    chosen = choose_manifest(path, labels_path=labels_file)
    assert chosen.labels == ("red", "bright green", "blue")
    assert chosen.preprocessing == Preprocessing((32, 32), "crop")
    assert Classifier(path, manifest=chosen).labels == chosen.labels


def repack(content, old, new):
    """Changes the manifest of a file, the checksum with it."""
    model, files = split_archive(content)
    changed = io.BytesIO(model)
    with zipfile.ZipFile(changed, "a") as archive:
        for name, data in files.items():
            archive.writestr(name, data.replace(old, new))
    return changed.getvalue()


def test_label_that_is_too_long_is_refused(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("one\n" + "b" * 256 + "\n")
    assert read_labels(path) == ("one", "b" * 256)
    path.write_text("one\n" + "b" * 10**6 + "\n")
    with pytest.raises(
        RequestError, match="txt: a label has 1,000,000 characters, of at most 256; sho"
    ):
        read_labels(path)


def test_wrong_number_of_labels_is_refused(tiny_models, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("one\ntwo\n")
    manifest = choose_manifest(tiny_models["uint8"], labels_path=labels)
    with pytest.raises(RequestError, match="has 3 outputs but 2 labels"):
        Classifier(tiny_models["uint8"], manifest=manifest)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "has no labels"),
        (b"\n\n", "has no labels"),
        (b"K\xe4se\n", "is not UTF-8 text"),
    ],
)
def test_labels_files_of_nonsense_are_refused(tmp_path, content, sentence):
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=f"labels.txt: {sentence}"):
        read_labels(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("0 cat\n1 dog\n", ("cat", "dog")),
        ("2 fox\n0 cat\n1 dog\n", ("cat", "dog", "fox")),
        ("0: cat\n1, big dog\n2\tfox", ("cat", "big dog", "fox")),
        ("1 cat\n2 dog\n", ("cat", "dog")),
        # Not all lines have a number, so they are part of the labels.
        ("0 cat\ndog\n", ("0 cat", "dog")),
        ("0\n1\n2\n", ("0", "1", "2")),
        ("0 10 euro\n1 5 euro\n", ("10 euro", "5 euro")),
    ],
)
def test_numbered_labels_are_ordered_and_lose_their_numbers(
    tmp_path, content, expected
):
    path = tmp_path / "labels.txt"
    path.write_text(content)
    assert read_labels(path) == expected


@pytest.mark.parametrize(
    "content",
    ["0 cat\n2 dog\n", "0 cat\n0 dog\n", "5 euro\n10 euro\n", "3 cat\n4 dog\n"],
)
def test_numbers_that_may_be_labels_or_not_are_refused(tmp_path, content):
    path = tmp_path / "labels.txt"
    path.write_text(content)
    with pytest.raises(RequestError, match="begin with a number.*as in: 0 cat"):
        read_labels(path)


def test_labels_and_range_of_tflite_metadata_are_used_and_logged(tmp_path, caplog):
    path = tmp_path / "model.tflite"
    content = write_model(labels=("x", "y", "z"), normalization=(127.5, 127.5))
    path.write_bytes(content)
    with caplog.at_level("INFO", logger="absl"):
        manifest = choose_manifest(path)
    assert manifest.labels == ("x", "y", "z")
    assert manifest.image.input_range == (-1.0, 1.0)
    assert "takes 4x4 RGB" in caplog.text and "TFLite Metadata" in caplog.text
    assert Classifier(path).labels == ("x", "y", "z")


def test_refusal_has_the_names_that_the_user_gives(tmp_path, labels_file):
    path = tmp_path / "model.tflite"
    labels = ("x", "y", "none")
    manifest = Manifest.of_classifier("a", "1", labels, Preprocessing((4, 4)))
    refusal = Refusal(2.0, 0.5, {"x": 0.75}, background="none")
    described = manifest.with_classes(refusal=refusal)
    path.write_bytes(attach_manifest(write_model(), described))
    found = choose_manifest(path, labels_path=labels_file).classes
    first, _, last = found.labels
    assert found.refusal == Refusal(2.0, 0.5, {first: 0.75}, background=last)


def test_other_numbers_have_no_refusal(tmp_path):
    # Its temperature would make those of several labels sum to 1.
    path = tmp_path / "model.tflite"
    manifest = Manifest.of_classifier("a", "1", ("x", "y", "z"), Preprocessing((4, 4)))
    described = manifest.with_classes(refusal=Refusal(2.0, 0.5))
    path.write_bytes(attach_manifest(write_model(), described))
    assert choose_manifest(path, output="multilabel").classes.refusal is None


def test_a_range_that_is_assumed_is_logged_as_a_warning(tmp_path, labels_file, caplog):
    path = tmp_path / "model.tflite"
    path.write_bytes(write_model())
    with caplog.at_level("WARNING", logger="absl"):
        choose_manifest(path, labels_path=labels_file)
    assert "--input_range" in caplog.text


def test_missing_labels_file_is_refused(tmp_path):
    with pytest.raises(RequestError, match="gone.txt: cannot be read"):
        read_labels(tmp_path / "gone.txt")


def test_labels_that_have_no_end_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "film", "wb") as file:
        file.truncate(files.MOST_BYTES + 1)
    with pytest.raises(
        RequestError, match="pipe: cannot be read .is not a regular file"
    ):
        read_labels(tmp_path / "pipe")
    with pytest.raises(
        RequestError, match="zero: cannot be read .is not a regular file"
    ):
        read_labels("/dev/zero")
    with pytest.raises(RequestError, match="film: cannot be read .is larger than 16"):
        read_labels(tmp_path / "film")
