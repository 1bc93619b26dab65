"""Notices that a file was replaced or written into, and is complete again."""

import os

# Changes whenever a file does: its device and number, size, and times. The last time
# also changes when a file is copied with its former date.
Stamp = tuple[tuple[int, int, int, int, int] | None, ...]


def read_stamp(paths: list[str]) -> Stamp:
    """Returns what identifies the present content of the files."""
    return tuple(_stamp_of(path) for path in paths)


class ModelWatch:
    """Decides when to try a changed file: once, when it has stopped changing.

    It has if two looks find the same. The caller waits at least a second between them,
    because a copy over a network comes in bursts.
    """

    def __init__(self, stamp: Stamp) -> None:
        """Takes what `read_stamp` returned before the files were loaded."""
        self._known = stamp
        self._last = stamp

    def look(self, stamp: Stamp, is_asked: bool = False) -> bool:
        """Tells whether to try the files now.

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
        """Notes that the files with this stamp were tried, with success or not."""
        self._known = stamp


def _stamp_of(path: str) -> tuple[int, int, int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    times = found.st_mtime_ns, found.st_ctime_ns
    return found.st_dev, found.st_ino, found.st_size, *times
