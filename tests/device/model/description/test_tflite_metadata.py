"""Reading TFLite Metadata of any origin."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.description.graph import FileGraph
from corallite.device.model.description.tflite_metadata import read_metadata
from corallite.device.model.flatbuffer import DamagedError
from corallite.device.model.identifiers import TFLITE_METADATA, TFLITE_METADATA_NAME
from corallite.device.model.manifest import Manifest
from corallite.device.model.metadata import Number
from corallite.device.model.write import attach_manifest, pack_tables

MANIFEST = Manifest.of_classifier("tiny", "7", ("cat", "dog"), Preprocessing((8, 8)))


@pytest.fixture
def with_metadata(writer):
    """A function that gives a network metadata of these bytes, or of a flatbuffer."""

    def give(content):
        if isinstance(content, dict):
            content = pack_tables(content, TFLITE_METADATA)
        writer.conv(writer.input())
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(content, np.uint8)
        entry.name, entry.buffer = TFLITE_METADATA_NAME, len(writer.model.buffers)
        writer.model.buffers.append(buffer)
        writer.model.metadata = [entry]
        return writer.content()

    return give


def test_a_file_without_metadata_has_none(writer):
    writer.conv(writer.input())
    assert read_metadata(FileGraph(writer.content()).metadata()) is None


def test_our_metadata_are_read_as_written(writer):
    writer.conv(writer.input(kind="UINT8"))
    found = read_metadata(
        FileGraph(attach_manifest(writer.content(), MANIFEST)).metadata()
    )
    assert found is not None
    assert (found["name"], found["version"]) == ("tiny", "7")
    assert found["description"] == "Tells which of 2 classes an image shows."
    (image,), (probability,) = found["inputs"], found["outputs"]
    assert (image["content"], image["color_space"]) == ("image", "RGB")
    # Pixels from 0 to 1: (pixel - 0) / 255.
    assert (image["mean"], image["std"]) == ([0.0], [255.0])
    assert (image["min"], image["max"]) == ([0.0], [255.0])
    assert (probability["content"], probability["color_space"]) == ("feature", None)
    (labels,) = probability["files"]
    assert (labels["name"], labels["type"]) == ("labels.txt", "TENSOR_AXIS_LABELS")


def test_metadata_of_another_tool_are_read(with_metadata):
    """An audio model with a licence and a vocabulary, of a kind we do not write."""
    audio = {0: "waveform", 3: {0: Number("Uint8", 4)}}
    file = {0: "words.txt", 1: "a word a line", 2: Number("Int8", 5), 3: "en"}
    root = {0: "listener", 4: "Ann", 5: "MIT", 6: [file], 3: [{2: [audio], 3: []}]}
    found = read_metadata(FileGraph(with_metadata(root)).metadata())
    assert found is not None
    assert (found["author"], found["license"]) == ("Ann", "MIT")
    assert found["inputs"][0]["content"] == "audio"
    assert found["inputs"][0]["mean"] == found["inputs"][0]["std"] == []
    assert found["outputs"] == []
    assert found["files"] == [
        {
            "name": "words.txt",
            "description": "a word a line",
            "type": "VOCABULARY",
            "locale": "en",
        }
    ]


def test_codes_without_a_name_are_shown_as_numbers(with_metadata):
    image = {3: {0: Number("Uint8", 2), 1: {0: Number("Int8", 9)}}}
    unknown = {3: {0: Number("Uint8", 77)}}
    root = {6: [{2: Number("Int8", 99)}], 3: [{2: [image, unknown]}]}
    found = read_metadata(FileGraph(with_metadata(root)).metadata())
    assert found is not None
    assert [t["content"] for t in found["inputs"]] == ["image", "77"]
    assert found["inputs"][0]["color_space"] == "9"
    assert found["files"][0]["type"] == "99"


def test_infinity_and_nan_are_none(with_metadata):
    options = {0: [float("nan"), 1.0], 1: [float("inf")]}
    units = [{0: Number("Uint8", 1), 1: options}]
    content = with_metadata({3: [{2: [{4: units}]}]})
    found = read_metadata(FileGraph(content).metadata())
    assert found is not None
    assert (found["inputs"][0]["mean"], found["inputs"][0]["std"]) == (
        [None, 1.0],
        [None],
    )


def test_metadata_without_a_graph_describe_no_tensors(with_metadata):
    found = read_metadata(FileGraph(with_metadata({0: "bare"})).metadata())
    assert found is not None
    assert (found["inputs"], found["outputs"], found["files"]) == ([], [], [])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x08\0\0\0M999" + bytes(40), "do not begin with M001"),
        (b"\xff\xff\xff\x7fM001" + bytes(40), "leads outside the file"),
        (bytes((16 << 20) + 1), "16,777,217 bytes are too many"),
    ],
)
def test_invalid_metadata_are_damaged(with_metadata, content, sentence):
    graph = FileGraph(with_metadata(content))
    with pytest.raises(DamagedError, match=sentence):
        read_metadata(graph.metadata())
