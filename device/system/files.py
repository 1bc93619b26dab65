"""Writes files atomically (see `storage.atomic`), and reads files that a user names."""

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from corallite.device.system.errors import RequestError
from corallite.device.system.storage import json_text

_T = TypeVar("_T")

# Largest text file; the labels of 20,000 classes take a megabyte.
MOST_BYTES = 16 << 20


def cache_folder() -> Path:
    """Returns the folder of files that all programs of a user share."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache) / "corallite"


def require_folder(path: Path) -> None:
    """Checks that `path` is a folder, or can be created as one.

    Raises:
        RequestError: `path` or one of its parents is a file.
    """
    for place in (path, *path.parents):
        if place.is_dir():
            return
        if os.path.lexists(place):
            raise RequestError(
                f"{place}: is not a folder, so nothing can be written to {path}; give "
                "another folder."
            )


def require_regular(path: str | Path) -> None:
    """Checks that reading a file ends: it is not a pipe, a device or a socket.

    Opening a pipe waits for a writer, and reading /dev/zero never ends. A folder
    passes: opening it raises the right error.

    Raises:
        OSError: The file is missing or is one of these.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "is not a regular file", str(path))


@contextlib.contextmanager
def reporting_unreadable(path: str | Path, remedy: str) -> Iterator[None]:
    """Turns an `OSError` of the block into a `RequestError`.

    Args:
        path: The file that the block reads.
        remedy: What to do, as part of a sentence.
    """
    try:
        yield
    except OSError as error:
        raise RequestError(
            f"{path}: cannot be read ({error.strerror}); {remedy}."
        ) from error


def read_limited(path: str | Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Returns the content of a small file.

    Raises:
        OSError: The file cannot be read, or has more than `most_bytes`.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        # Not read first: it may not fit into the memory. `read` reserves what it is
        # asked for, so ask for more than the size only of a pipe, whose size is 0.
        wanted = 1 + (size or most_bytes)
        content = file.read(wanted) if size <= most_bytes else b""
    if max(size, len(content)) > most_bytes:
        raise OSError(errno.EFBIG, f"is larger than {most_bytes >> 20} MiB", str(path))
    return content


def write_bytes(path: Path, content: bytes) -> None:
    """Writes `content` to `path` atomically."""
    # Not at the top: the device writes no files.
    from corallite.device.system.storage.atomic import replacing

    with replacing(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Writes `content` as UTF-8 to `path` atomically."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Writes `content` as indented JSON to `path` atomically."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    if not _is_unicode(text):  # It has the name of a file that is not.
        text = json.dumps(content, indent=2)
    write_text(path, f"{text}\n")


def _is_unicode(text: str) -> bool:
    return text == text.encode(errors="ignore").decode()


def read_record(
    path: Path, parse: Callable[[dict[str, Any]], _T], command: str = "the same command"
) -> _T:
    """Reads a JSON object that this package wrote, and parses it.

    Args:
        path: The file.
        parse: Takes the object.
        command: What writes the file again if it is removed.

    Raises:
        RequestError: The file is not a JSON object, or `parse` fails because the
            object has other content than expected; names the command.
    """
    try:
        content = json_text.parse(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
        return parse(content)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise RequestError(
            f"{path} is damaged ({error!r}); remove it and run {command} again."
        ) from error


def walk(
    folder: Path,
    visited: set[str],
    *,
    is_file: Callable[[Path], bool] = lambda path: False,
    on_error: Callable[[OSError], None] | None = None,
) -> Iterator[Path]:
    """Yields the files below `folder` in order, without hidden ones.

    Args:
        folder: Links to folders are followed, each real folder once.
        visited: Real folders to leave out; those that are read are added.
        is_file: Returns whether an entry is yielded even if it is a folder.
        on_error: Called for a folder that cannot be read; by default it raises.
    """
    real_path = os.path.realpath(folder)
    if real_path in visited:
        return
    visited.add(real_path)
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        if on_error is None:
            raise
        on_error(error)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        # `Path.is_dir` raises where a folder may be listed and not entered.
        if os.path.isdir(entry) and not is_file(entry):
            yield from walk(entry, visited, is_file=is_file, on_error=on_error)
        else:
            yield entry


def printable(name: str | Path) -> str:
    r"""Returns a file's name as text that any log can write.

    Linux allows bytes in names that are not UTF-8; they become as in "caf\udce9".
    """
    return str(name).encode("utf-8", "backslashreplace").decode()
