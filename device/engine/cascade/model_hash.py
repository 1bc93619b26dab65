"""Identifies a model by the content of its files."""

from _blake2 import blake2b  # hashlib loads OpenSSL, which takes 7 ms of a start.
from pathlib import Path

from corallite.device.engine.file_kind import list_files
from corallite.device.system.files import reporting_unreadable


def hash_model(path: str | Path) -> str:
    """Returns 32 hexadecimal digits that change with any file of a model.

    Raises:
        RequestError: A file cannot be read.
    """
    total = blake2b(digest_size=16)
    with reporting_unreadable(path, "give a model"):
        for file in list_files(path):
            total.update(blake2b(file.read_bytes(), digest_size=16).digest())
    return total.hexdigest()
