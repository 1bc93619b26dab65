"""Reads and limits how much memory this process uses."""

import resource
from pathlib import Path

_STATUS = Path("/proc/self/status")


def read_peak_bytes() -> int | None:
    """Returns the largest resident memory of this process so far.

    Not from `getrusage`, which would include the parent's memory before `exec`.

    Returns:
        None except on Linux.
    """
    return _read_bytes(_STATUS, "VmHWM")


def read_available_bytes() -> int | None:
    """Returns how much memory this process can have without swapping, with what it has.

    A container's limit is not in it. None except on Linux.
    """
    free = _read_bytes(Path("/proc/meminfo"), "MemAvailable")
    used = _read_bytes(_STATUS, "VmRSS")
    return None if free is None or used is None else free + used


def limit_growth(most_bytes: int) -> None:
    """Makes allocations fail that need `most_bytes` more than now; only on Linux."""
    used = _read_bytes(_STATUS, "VmData")
    if used is not None:
        most = used + most_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _read_bytes(path: Path, name: str) -> int | None:
    lines = path.read_text("ascii", "replace").splitlines() if path.exists() else []
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(found[0]) << 10 if found else None
