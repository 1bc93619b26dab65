"""Detects that a file was replaced or changed, and that writing has ended."""

import os

from corallite.device.engine.file_kind import list_files
from corallite.device.engine.open_model import ModelRequest

# Changes whenever a file does: its device and inode, size, and times. The last time
# (ctime) also changes if a file is copied with its former date.
Stamp = tuple[tuple[int, int, int, int, int] | None, ...]


def list_paths(requests: tuple[ModelRequest, ...]) -> list[str]:
    """Returns all files of the models, without duplicates, in order."""
    paths = [
        path
        for request in requests
        for path in (
            *(request.path, *map(str, list_files(request.path))),
            request.fallback_path,
        )
    ]
    return list(dict.fromkeys(paths))


def read_stamp(paths: list[str]) -> Stamp:
    """Returns a value that changes when one of the files does."""
    return tuple(_stamp_of(path) for path in paths)


class ModelWatch:
    """Decides when to try a changed file: once, when it has stopped changing.

    That is so if two checks find the same. The caller waits at least a second between
    them, because data of a copy over a network arrives in bursts.
    """

    def __init__(self, stamp: Stamp) -> None:
        """Takes what `read_stamp` returned before the files were loaded."""
        self._known = stamp
        self._last = stamp

    def look(self, stamp: Stamp, is_asked: bool = False) -> bool:
        """Returns whether to try the files now.

        Args:
            stamp: What `read_stamp` returns now.
            is_asked: Try them even if they have not changed.
        """
        is_still = stamp == self._last
        self._last = stamp
        if not is_asked:
            is_whole = is_still and None not in stamp
            return is_whole and stamp != self._known
        return is_still

    def note_tried(self, stamp: Stamp) -> None:
        """Records that the files with this stamp were tried, successfully or not."""
        self._known = stamp


def _stamp_of(path: str) -> tuple[int, int, int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    times = found.st_mtime_ns, found.st_ctime_ns
    return found.st_dev, found.st_ino, found.st_size, *times
