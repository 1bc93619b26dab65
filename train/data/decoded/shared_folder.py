"""The folder of decoded images that all runs share: by content, and limited in size.

Each set of images has a folder, named by its content and preprocessing. A process
that uses a set holds a lock on it until it ends. Where there is no room for a new set,
the sets that were used longest ago are removed, whole, unless a process uses them.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from absl import logging

from corallite.device.system import files

_USED, _WRITTEN = ".used", ".written"
# Of what is free and what the cache has already.
_SHARE_OF_DISK = 0.5
# Descriptors whose locks this process holds until it ends.
_held: dict[Path, int] = {}


def use(key: str) -> Path:
    """Returns the folder of a set, which stays until this process ends.

    Args:
        key: See `cache_key`.

    Raises:
        OSError: The folder cannot be made; the error has its path.
    """
    folder = _root() / key
    while folder not in _held:
        folder.mkdir(parents=True, exist_ok=True)
        # Another process may remove the folder in between.
        with contextlib.suppress(FileNotFoundError):
            descriptor = _open(folder / _USED)
            _lock(descriptor, fcntl.LOCK_SH)
            if _is_at(folder / _USED, descriptor):
                _held[folder] = descriptor
            else:
                os.close(descriptor)
    with contextlib.suppress(OSError):
        os.utime(folder / _USED)
    return folder


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Lets one process at a time decode a set; the next one finds it complete."""
    descriptor = _open(folder / _WRITTEN)
    try:
        if not _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            logging.info("%s: waiting for another process to decode it.", folder)
            _lock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_room(needed_bytes: int, cache_gb: float | None) -> bool:
    """Returns whether that much more may be written; removes old sets if necessary.

    Nothing is removed if it would not be enough.

    Args:
        needed_bytes: Size of the arrays to write.
        cache_gb: Most gigabytes (10^9 bytes) of all sets together; None for half of
            what is free on the disk and in the cache.
    """
    sizes = {folder: _size(folder) for folder in _sets()}
    used, free = sum(sizes.values()), shutil.disk_usage(_root()).free
    limit = (free + used) * _SHARE_OF_DISK if cache_gb is None else cache_gb * 1e9
    missing = max(used + needed_bytes - limit, needed_bytes - free)
    unused = [x for x in sorted(sizes, key=_last_use) if x not in _held]
    with contextlib.ExitStack() as stack:
        to_remove = []
        for folder in unused:
            if missing > 0 and stack.enter_context(_taking(folder)):
                to_remove.append(folder)
                missing -= sizes[folder]
        if missing > 0:
            return False
        for folder in to_remove:
            logging.info("%s: removed, to make room for other images.", folder)
            shutil.rmtree(folder, ignore_errors=True)
    return True


def _root() -> Path:
    return files.cache_folder() / "decoded"


def _sets() -> list[Path]:
    return [path for path in _root().iterdir() if path.is_dir()]


def _size(folder: Path) -> int:
    total = 0
    # Another process may remove it.
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
    return total


def _last_use(folder: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return (folder / _USED).stat().st_mtime
    return 0.0


@contextlib.contextmanager
def _taking(folder: Path) -> Iterator[bool]:
    """Yields whether no process uses a set, and none begins to in the block."""
    try:
        descriptor = _open(folder / _USED)
    except FileNotFoundError:  # Another process has removed it.
        yield False
        return
    try:
        yield _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)


def _lock(descriptor: int, kind: int) -> bool:
    """Returns False only if another process holds the lock."""
    try:
        fcntl.flock(descriptor, kind)
    except BlockingIOError:
        return False
    except OSError:  # Some file systems have no locks.
        return True
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    return path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())
