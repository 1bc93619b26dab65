"""Reads how much memory this process has used."""

from pathlib import Path


def read_peak_bytes() -> int | None:
    """Returns the largest resident memory of this process so far.

    Not from `getrusage`, which would include the parent's memory before `exec`.

    Returns:
        None except on Linux.
    """
    status = Path("/proc/self/status")
    lines = status.read_text("ascii", "replace").splitlines() if status.exists() else []
    peaks_kib = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peaks_kib[0]) << 10 if peaks_kib else None
