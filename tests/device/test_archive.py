"""Archives that are made to do harm: refused, before they take memory."""

import io
import struct
import tracemalloc
import zipfile

import pytest

from corallite.device.archive import MOST_BYTES, read_archived, split_archive
from corallite.device.errors import RequestError
from corallite.device.manifest import read_manifest


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


def test_a_file_of_ones_own_limit_is_read(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(pack(bytes(MOST_BYTES)))
    assert read(path, "corallite.json") == bytes(MOST_BYTES)
    path.write_bytes(pack(bytes(MOST_BYTES + 1)))
    with pytest.raises(zipfile.BadZipFile, match="larger than 16 MiB"):
        read(path, "corallite.json")


def test_what_is_not_asked_for_may_be_large(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(pack(bytes(MOST_BYTES + 1), name="other"))
    assert read(path, "corallite.json") is None


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_hides_its_size_is_refused(refuse, compression):
    refuse(pack(bytes(1000), compression), "packed in an unusual way")


def test_more_than_is_announced_is_not_unpacked(refuse):
    content = pack(bytes(100_000_000))
    content = content.replace(struct.pack("<I", 100_000_000), struct.pack("<I", 1000))
    refuse(content, "manifest is damaged")


def test_a_list_of_contents_of_megabytes_is_refused(refuse):
    content = pack(b"")
    # The number of entries stays what it was: only the list's size counts.
    start = content.index(b"PK\x01\x02")
    listed, end = content[start:-22], content[-22:]
    many = listed * ((2 << 20) // len(listed))
    end = end[:12] + struct.pack("<I", len(many)) + end[16:]
    refuse(content[:start] + many + end, "list of contents is too long")


def test_a_model_and_its_files_are_separated():
    model, files = split_archive(pack(b"text", name="a.txt"))
    assert (model, files) == (b"\x1c\0\0\0TFL3", {"a.txt": b"text"})
    assert split_archive(b"no archive") == (b"no archive", {})
