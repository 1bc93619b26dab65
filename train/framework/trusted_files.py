"""Remembers the model files whose code this user allows to be executed.

By their content, in the user's cache folder: a run folder from elsewhere cannot say of
itself that it is trusted.
"""

import hashlib
from pathlib import Path

from corallite.device.system import files


def trust(path: Path) -> None:
    """Allows the classes of a file from now on, also of copies of it."""
    files.write_text(_locate(path), f"{files.printable(path)}\n")


def is_trusted(path: Path) -> bool:
    """Returns whether the user allowed the code of a file of this content."""
    return _locate(path).exists()


def _locate(path: Path) -> Path:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return files.cache_folder() / "trusted" / digest
