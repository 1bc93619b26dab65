"""A file from elsewhere is compacted, or refused in one sentence."""

import pytest
from fixtures.model_writer import ModelWriter

from corallite.convert.export.compact_file import compact_file
from corallite.convert.tflite.compact import NAMES_FILE, compact
from corallite.device.model.archive import append_archive
from corallite.device.system.errors import RequestError


def write_content():
    writer = ModelWriter()
    writer.conv(writer.conv(writer.input()))
    return writer.content()


def test_a_file_is_written_beside_the_given_one(write_file, tmp_path):
    path, out = write_file(write_content()), tmp_path / "small.tflite"
    before, after = compact_file(path, out)
    assert (path.read_bytes(), out.read_bytes()) == (
        write_content(),
        compact(write_content()),
    )
    assert (before, after) == (path.stat().st_size, out.stat().st_size)


def test_a_file_is_replaced_only_on_request(write_file):
    path = write_file(write_content())
    with pytest.raises(RequestError, match="model.tflite: exists already.*--overwrite"):
        compact_file(path, path)
    compact_file(path, path, overwrite=True)
    assert path.read_bytes() == compact(write_content())


def hold_weights_outside():
    writer = ModelWriter()
    writer.conv(writer.input())
    writer.model.buffers[1].data = None
    writer.model.buffers[1].offset, writer.model.buffers[1].size = 64, 8
    return writer.content()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"hello, this is text", "is not a TFLite model"),
        (write_content()[:900], "is damaged"),
        (hold_weights_outside(), "cannot be compacted.*behind the flatbuffer; convert"),
        (
            append_archive(write_content(), {NAMES_FILE: b"?"}),
            "cannot be compacted. Expected names.json.gz of the file to be intact",
        ),
        (
            append_archive(write_content(), {"x": b"?" * 100})[:-80],
            "is damaged|cannot be compacted",
        ),
    ],
)
def test_a_file_that_cannot_be_compacted_is_refused(write_file, content, sentence):
    path = write_file(content)
    with pytest.raises(RequestError, match=f"^{path}: {sentence}"):
        compact_file(path, path.with_name("out.tflite"))
    assert not path.with_name("out.tflite").exists()
