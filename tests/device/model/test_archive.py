"""Malicious archives: refused before they take memory."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.archive import MOST_BYTES, read_archived, split_archive
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.model.write import attach_manifest, schema
from corallite.device.model.write import pack as pack_model
from corallite.device.system.errors import RequestError

MANIFEST = Manifest.of_classifier("tiny", "1", ("red", "blue"), Preprocessing((8, 8)))


def read(path, name):
    with path.open("rb") as file:
        return read_archived(file, name)


def pack(content, compression=zipfile.ZIP_DEFLATED, name="corallite.json"):
    """Returns 8 bytes of a model with an archive behind them."""
    file = io.BytesIO(b"\x1c\0\0\0TFL3")
    with zipfile.ZipFile(file, "a", compression) as archive:
        archive.writestr(name, content)
    return file.getvalue()


@pytest.fixture
def refuse(tmp_path):
    """A function that asserts one sentence, and little memory, for a file."""

    def refuse(content, sentence):
        path = tmp_path / "model.tflite"
        path.write_bytes(content)
        tracemalloc.start()
        try:
            with pytest.raises(RequestError, match=sentence):
                read_manifest(path)
            # What is unpacked or listed at most, and what zipfile needs for it.
            assert tracemalloc.get_traced_memory()[1] < 4 << 20
        finally:
            tracemalloc.stop()

    return refuse


def test_a_file_that_unpacks_to_gigabytes_is_refused(refuse):
    # Every field that says how large it is, raised to 4 GB; the contents stay small.
    content = pack(bytes(1000))
    content = content.replace(struct.pack("<I", 1000), struct.pack("<I", 0xFFFFFFFE))
    refuse(content, "manifest is damaged.*larger than 16 MiB")


def test_a_file_of_exactly_the_limit_is_read(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(pack(bytes(MOST_BYTES)))
    assert read(path, "corallite.json") == bytes(MOST_BYTES)
    path.write_bytes(pack(bytes(MOST_BYTES + 1)))
    with pytest.raises(zipfile.BadZipFile, match="larger than 16 MiB"):
        read(path, "corallite.json")


def test_files_that_are_not_asked_for_may_be_large(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(pack(bytes(MOST_BYTES + 1), name="other"))
    assert read(path, "corallite.json") is None


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_hides_its_size_is_refused(refuse, compression):
    refuse(pack(bytes(1000), compression), "has an unusual compression")


def test_more_than_the_declared_size_is_not_unpacked(refuse):
    content = pack(bytes(100_000_000))
    content = content.replace(struct.pack("<I", 100_000_000), struct.pack("<I", 1000))
    refuse(content, "manifest is damaged")


def test_a_directory_of_megabytes_is_refused(refuse):
    content = pack(b"")
    # The number of entries stays what it was: only the list's size counts.
    start = content.index(b"PK\x01\x02")
    listed, end = content[start:-22], content[-22:]
    many = listed * ((2 << 20) // len(listed))
    end = end[:12] + struct.pack("<I", len(many)) + end[16:]
    refuse(content[:start] + many + end, "directory is too long")


def test_a_model_and_its_files_are_separated():
    model, files = split_archive(pack(b"text", name="a.txt"))
    assert (model, files) == (b"\x1c\0\0\0TFL3", {"a.txt": b"text"})
    assert split_archive(b"no archive") == (b"no archive", {})


def model_with(weights):
    """Returns a model of one buffer, which is all of it that matters here."""
    model, buffer = schema.ModelT(), schema.BufferT()
    buffer.data = np.frombuffer(weights, np.uint8)
    model.buffers = [schema.BufferT(), buffer]
    return pack_model(model)


def attach(model):
    """Attaches a manifest and returns the names of the archived files, and what of."""
    content = attach_manifest(model, MANIFEST)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return content, archive.namelist()


def test_an_archive_whose_end_is_damaged_gets_no_second_one_behind_it():
    """Read as none, it would be kept, and its files be there twice."""
    content, names = attach(model_with(bytes(100)))
    assert sorted(names) == ["corallite.json", "labels.txt"]
    end = content.rindex(b"PK\x05\x06")
    for position in range(end, len(content)):
        for value in (content[position] ^ 1, 255):
            damaged = bytearray(content)
            damaged[position] = value
            try:
                changed, found = attach(bytes(damaged))
            except ValueError as error:
                assert "intact archive or none" in str(error)
                continue
            assert found == names
            assert changed.count(b"PK\x03\x04") == 2


def test_an_archive_that_is_cut_short_gets_no_second_one_behind_it():
    content, _ = attach(model_with(bytes(100)))
    start = content.index(b"PK\x03\x04")
    for length in range(start + 4, len(content), 7):
        with pytest.raises(ValueError, match="intact archive or none: .* cut short"):
            attach_manifest(content[:length], MANIFEST)


def test_two_archives_behind_each_other_are_refused():
    content, _ = attach(model_with(bytes(100)))
    second = io.BytesIO(content)
    second.seek(0, io.SEEK_END)
    with zipfile.ZipFile(second, "w") as archive:
        archive.writestr("labels.txt", "cat")
    with pytest.raises(ValueError, match="intact archive or none"):
        attach_manifest(second.getvalue(), MANIFEST)


def test_weights_that_look_like_an_archive_are_no_archive():
    """zipfile looks for the end of one in the last 64 KB, whatever these are."""
    empty = b"PK\x05\x06" + bytes(18)
    weights = b"PK\x03\x04" + empty + bytes(3000)
    content, names = attach(model_with(weights))
    assert sorted(names) == ["corallite.json", "labels.txt"]
    assert weights in content
    assert attach(content) == (content, names)
