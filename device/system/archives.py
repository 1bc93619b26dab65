"""Recognises archives, so that an error can say how to unpack them."""

import shlex
import tarfile
from pathlib import Path

_ZIP = b"PK\x03\x04"
_OTHERS = (b"7z\xbc\xaf\x27\x1c", b"Rar!")


def how_to_unpack(path: Path) -> str | None:
    """Returns what unpacks an archive, as a part of a sentence.

    Args:
        path: A file. Its content decides, not its suffix.

    Returns:
        None if the file is not an archive or cannot be read.
    """
    if not path.is_file():
        return None
    name, folder = shlex.quote(str(path)), shlex.quote(path.name.partition(".")[0])
    try:
        with path.open("rb") as file:
            start = file.read(8)
        if start.startswith(_ZIP):
            return f"it is a zip archive: unpack it (unzip {name} -d {folder})"
        if start.startswith(_OTHERS):
            return "it is an archive: unpack it"
        if tarfile.is_tarfile(path):
            return (
                "it is a tar archive: unpack it "
                f"(mkdir {folder} && tar -xf {name} -C {folder})"
            )
    except OSError:
        return None
    return None
