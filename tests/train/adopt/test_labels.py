"""Labels are read in the forms in which tools write them."""

from pathlib import Path

import pytest

from corallite.device.system.errors import RequestError
from corallite.train.adopt.labels import (
    find_columns,
    find_imagenet_labels,
    find_labels_file,
    read_labels,
)

PATH = Path("labels.txt")


@pytest.mark.parametrize(
    "text",
    [
        "cat\nred fox\n",
        "0 cat\n1 red fox\n",
        '["cat", "red fox"]',
        '{"1": ["n02119022", "red fox"], "0": ["n02124075", "cat"]}',
    ],
)
def test_forms_of_labels_are_read(tmp_path, text):
    (tmp_path / "labels.txt").write_text(text)
    labels = read_labels(tmp_path / "labels.txt")
    assert find_columns(labels, ["Red_Fox", "cat"], PATH) == [1, 0]


def test_numbers_that_are_not_in_order_are_part_of_the_labels(tmp_path):
    (tmp_path / "labels.txt").write_text("2 euro\n1 euro\n")
    assert read_labels(tmp_path / "labels.txt") == [("2 euro",), ("1 euro",)]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'{"a": 1}', b"[1, [2"])
def test_what_is_not_a_list_of_labels_is_refused(tmp_path, content):
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(RequestError, match="is not a list of labels; give a file"):
        read_labels(tmp_path / "labels.txt")


def test_a_folder_without_label_is_named():
    with pytest.raises(RequestError, match="no label for the folder 'dog' .it has cat"):
        find_columns([("cat",)], ["dog"], PATH)
    with pytest.raises(RequestError, match="several labels for the folder 'crane'"):
        find_columns([("crane",), ("crane",)], ["crane"], PATH)


def test_labels_beside_a_model_are_found(tmp_path):
    assert find_labels_file(tmp_path / "keras_model.h5") is None
    (tmp_path / "labels.txt").write_text("0 cat\n")
    assert find_labels_file(tmp_path / "keras_model.h5") == tmp_path / "labels.txt"


def test_folders_of_imagenet_are_found_among_its_1000_outputs():
    folders = ["n01443537", "n15075141", "n02124075"]
    path = find_imagenet_labels(1000, folders)
    assert path is not None
    labels = read_labels(path)
    # Goldfish, toilet tissue and Egyptian cat, by Keras's imagenet_class_index.json.
    assert len(labels) == 1000 and find_columns(labels, folders, path) == [1, 999, 285]
    with pytest.raises(RequestError, match="no label for the folder 'n00007846'"):
        find_columns(labels, ["n00007846"], path)


def test_other_outputs_or_folders_are_not_those_of_imagenet():
    assert find_imagenet_labels(10, ["n01443537"]) is None
    assert find_imagenet_labels(1000, ["n01443537", "cat"]) is None
