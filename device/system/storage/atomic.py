"""Replaces files in one step: a reader sees the old or the new content.

Of folders, the old one is removed first, so that for a moment there is none.

The new content is in the same folder under a random name until it is complete. It is
created there, so that a link in its place is not followed. Its writer holds a lock.
What a killed writer left is not locked, and the next writer of the same path removes
it.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields the path of a temporary empty file; renames it to `path` at the end.

    It is in the same folder, which is created if necessary. It has the same suffix,
    because OpenCV chooses the format by it. If the block raises, it is removed and
    `path` stays as it was.
    """
    with _temporary(path, _create_file) as partial:
        yield partial
        _flush_to_disk(partial)
        os.replace(partial, path)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary empty folder; replaces the folder `path` by it at the end."""
    with _temporary(path, _create_folder) as partial:
        yield partial
        _remove(path)
        os.replace(partial, path)


@contextlib.contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary empty folder beside `path`; removes it at the end."""
    with _temporary(path, _create_folder) as partial:
        yield partial


def remove_leftovers(path: Path) -> None:
    """Removes what killed writers of `path` left, but nothing of a live one."""
    # Earlier versions had the number of the process, or nothing, before `.part`.
    name = rf"\.{re.escape(path.stem)}(\.[0-9a-f]+)?\.part{re.escape(path.suffix)}"
    _remove_dead(path.parent, name)


def remove_all_leftovers(folder: Path) -> None:
    """Does the same for every path in a folder; for names that do not come again."""
    _remove_dead(folder, r"\..+\.[0-9a-f]{12}\.part(\.[^.]+)?")


def _remove_dead(folder: Path, name: str) -> None:
    for entry in folder.iterdir():
        if re.fullmatch(name, entry.name):
            with contextlib.suppress(OSError), _locked(entry):
                _remove(entry)


@contextlib.contextmanager
def _temporary(path: Path, create: Callable[[Path], int]) -> Iterator[Path]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path)
        partial, descriptor = _create_locked(path, create)
        try:
            yield partial
        finally:
            _remove(partial)
            os.close(descriptor)
    except OSError as error:
        # A failed write names no file, and the user does not know the temporary one.
        if str(error.filename or _prefix(path)).startswith(_prefix(path)):
            error.filename = str(path)
        raise


def _create_locked(path: Path, create: Callable[[Path], int]) -> tuple[Path, int]:
    while True:
        partial = Path(f"{_prefix(path)}{os.urandom(6).hex()}.part{path.suffix}")
        descriptor = create(partial)
        with contextlib.suppress(OSError):  # Some file systems have no locks.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Before it was locked, another writer may have taken it for a leftover.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), partial.stat()):
                return partial, descriptor
        os.close(descriptor)


def _prefix(path: Path) -> str:
    return str(path.with_name(f".{path.stem}."))


def _create_file(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    return os.open(path, flags, 0o666)


def _create_folder(path: Path) -> int:
    path.mkdir()
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Locks a file or a folder; raises `OSError` if its writer is alive."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        # Not at the top: most writers have no folder to remove.
        import shutil

        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    """Prevents an empty file if the power fails after the rename."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
