"""Reads and writes the zip archive behind a model, without trusting it.

zipfile reads a directory of any length that a file claims, and unpacks any amount of
data. Both are limited here, so that a small file cannot fill the memory of a board.
"""

import io
import zipfile
import zlib
from collections.abc import Collection, Mapping
from mmap import mmap
from pathlib import Path
from typing import BinaryIO

from corallite.device.system.files import require_regular

# What zipfile raises for damaged content; RuntimeError means encryption or an unknown
# compression.
ARCHIVE_ERRORS = (zipfile.BadZipFile, ValueError, RuntimeError, EOFError, zlib.error)
# Maximum of all unpacked bytes. Labels and a manifest take kilobytes.
MOST_BYTES = 16 << 20
# Maximum size of the directory: 20,000 files. zipfile needs 16 MB for it.
_MOST_AT_ONCE = 1 << 20
_CHUNK = 1 << 16
# The others unpack a few bytes to megabytes, whatever size is declared.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def open_content(path: str | Path, content: bytes | mmap | None) -> BinaryIO:
    """Opens a file, or the content that was read of it.

    Raises:
        OSError: The file cannot be read.
    """
    if isinstance(content, bytes):
        return io.BytesIO(content)
    require_regular(path)
    return open(path, "rb")


def read_archived(file: BinaryIO, name: str) -> bytes | None:
    """Returns one file of the archive at the end of `file`; None if it has none.

    Raises:
        OSError: The file cannot be read.
        ARCHIVE_ERRORS: The archive is damaged, or more than `MOST_BYTES` come out.
    """
    return _read_files(file, (name,))[0].get(name)


def split_archive(model: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Separates a model from the files in the archive behind it.

    Raises:
        ARCHIVE_ERRORS: The archive is damaged, or more than `MOST_BYTES` come out.
    """
    files, start = _read_files(io.BytesIO(model), None)
    return model[:start], files


def append_archive(model: bytes, files: Mapping[str, bytes]) -> bytes:
    """Returns a model without archive, with an archive of `files` appended to it."""
    content = io.BytesIO(model)
    content.seek(0, io.SEEK_END)
    # Not "a": weights that look like an archive would be written over.
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            # ZipInfo's default date instead of today's. Stored, not deflated: TFLite's
            # own reader knows nothing else.
            archive.writestr(zipfile.ZipInfo(name), data)
    return content.getvalue()


def _read_files(
    file: BinaryIO, names: Collection[str] | None
) -> tuple[dict[str, bytes], int | None]:
    """Returns the named files, by default all, and the start of the archive."""
    bounded = _Bounded(file)
    if not zipfile.is_zipfile(bounded):
        return {}, None
    with zipfile.ZipFile(bounded) as archive:
        start = min((e.header_offset for e in archive.infolist()), default=None)
        found = [name for name in archive.namelist() if names is None or name in names]
        # A name may occur twice; zipfile knows the last one.
        entries = {name: archive.getinfo(name) for name in found}
        _require_moderate(list(entries.values()))
        return {name: _read(archive, entry) for name, entry in entries.items()}, start


def _require_moderate(entries: list[zipfile.ZipInfo]) -> None:
    if sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise zipfile.BadZipFile(f"its files are larger than {MOST_BYTES >> 20} MiB")
    for entry in entries:
        if entry.compress_type not in _COMPRESSIONS:
            raise zipfile.BadZipFile(f"{entry.filename!r} has an unusual compression")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Reads a file, never more than its declared size."""
    with archive.open(entry) as packed:
        return b"".join(iter(lambda: packed.read(_CHUNK), b""))


class _Bounded(io.RawIOBase):
    """A file that reads at most `_MOST_AT_ONCE` bytes per call."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int | None = -1) -> bytes:
        most = _MOST_AT_ONCE + 1
        wanted = most if size is None or size < 0 else min(size, most)
        data = self._file.read(wanted)
        if len(data) == most:
            raise zipfile.BadZipFile("its directory is too long")
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()
