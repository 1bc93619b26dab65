"""Watches the memory of a process and of the processes that it starts; on Linux."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

_POLL_S = 0.01


class PeakMemory:
    """The largest resident memory of a process and of each child, in bytes."""

    def __init__(self, pid: int) -> None:
        """Starts with nothing seen of process `pid`."""
        self._pid = pid
        self._peaks: dict[int, int] = {}

    @property
    def megabytes(self) -> float:
        """The peak in 10**6 bytes; children are taken to run one after another."""
        children = [peak for pid, peak in self._peaks.items() if pid != self._pid]
        return (self._peaks.get(self._pid, 0) + max(children, default=0)) / 1e6

    def note(self) -> None:
        """Reads the memory now."""
        tasks = Path(f"/proc/{self._pid}/task").glob("*/children")
        try:
            children = {int(x) for path in tasks for x in path.read_text().split()}
        except OSError:
            return  # A thread has ended.
        # A child that has not started its program yet still shares all memory.
        command = _read(self._pid, "cmdline")
        for pid in (
            self._pid,
            *(x for x in children if _read(x, "cmdline") != command),
        ):
            self._peaks[pid] = max(self._peaks.get(pid, 0), _read_peak(pid))


@contextlib.contextmanager
def watching(pid: int) -> Iterator[PeakMemory]:
    """Watches process `pid` during the block."""
    memory, is_over = PeakMemory(pid), threading.Event()

    def watch() -> None:
        while not is_over.wait(_POLL_S):
            memory.note()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield memory
    finally:
        is_over.set()
        watcher.join()


def _read_peak(pid: int) -> int:
    lines = _read(pid, "status").splitlines()
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) << 10 if found else 0


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""  # It has ended.
