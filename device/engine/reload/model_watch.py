"""Notices that a file was replaced or written into, and is whole again."""

import os

# What changes when a file does: which one it is, how long, when written or touched.
# The last catches a file that is copied with its former date.
Stamp = tuple[tuple[int, int, int, int, int] | None, ...]


def read_stamp(paths: list[str]) -> Stamp:
    """Returns what tells the files' present content from any other."""
    return tuple(_stamp_of(path) for path in paths)


class ModelWatch:
    """Says when a changed file is worth a try: once, when it has stopped changing.

    Two looks that find the same tell that it has; the caller lets at least a second
    pass between them, because a copy over a network comes in bursts.
    """

    def __init__(self, stamp: Stamp) -> None:
        """Knows the files as they were, by `read_stamp`, before they were loaded."""
        self._known = stamp
        self._last = stamp

    def look(self, stamp: Stamp, is_asked: bool = False) -> bool:
        """Tells whether to try the files now.

        Args:
            stamp: What `read_stamp` says now.
            is_asked: Someone has asked for it, whether they have changed or not.
        """
        is_still = stamp == self._last
        self._last = stamp
        if not is_asked:
            is_whole = is_still and None not in stamp
            return is_whole and stamp != self._known
        return is_still

    def note_tried(self, stamp: Stamp) -> None:
        """Notes that the files with this stamp were tried, whatever came of it."""
        self._known = stamp


def _stamp_of(path: str) -> tuple[int, int, int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    times = found.st_mtime_ns, found.st_ctime_ns
    return found.st_dev, found.st_ino, found.st_size, *times
