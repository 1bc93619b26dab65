"""Labels that a file carries for other tools."""

import pytest
from fixtures.small_models import write_model

from corallite.device.model.description.graph import FileGraph
from corallite.device.model.description.labels import find_labels
from corallite.device.model.description.tflite_metadata import read_metadata
from corallite.device.system.errors import RequestError


def find(content):
    metadata = read_metadata(FileGraph(content).metadata())
    return find_labels(metadata, "a.tflite", content)


def test_labels_are_those_of_the_file_that_the_metadata_name():
    known_from = "its TFLite Metadata (labels.txt)"
    found = find(write_model(labels=("a cat", "0 dog", "fox")))
    # As they are: other tools do not read numbers either.
    assert found == (("a cat", "0 dog", "fox"), known_from)


def test_there_may_be_no_metadata_no_labels_or_no_file():
    assert find(write_model()) == ((), "")
    assert find(write_model(normalization=(0, 1))) == ((), "")
    content = write_model(labels=("x", "y", "z"))
    assert find(content[: content.index(b"PK\3\4")]) == ((), "")


def test_labels_that_cannot_be_read_are_refused():
    for text in (b"u\nv\nw\n", b"x\n\xff\nz\n"):
        content = write_model(labels=("x", "y", "z")).replace(b"x\ny\nz\n", text)
        with pytest.raises(RequestError, match="labels.txt' cannot be read .*--labels"):
            find(content)


def test_a_long_label_is_refused():
    labels = ("x", "y" * 257, "z")
    with pytest.raises(RequestError, match="257 characters, of at most 256.*--labels"):
        find(write_model(labels=labels))
