"""Keeps part of the disk free, and reports disk errors in one sentence."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from corallite.device.system.errors import RequestError

# 5 % of the disk stays free, at most 200 MB.
_RESERVE_SHARE = 0.05
_MOST_RESERVE_BYTES = 200 * 10**6


def require_space(folder: Path, size: int) -> None:
    """Checks that `size` more bytes leave the reserve of the disk free.

    Raises:
        OSError: The folder is missing.
        RequestError: They would not.
    """
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    total = disk.f_blocks * disk.f_frsize
    reserve = min(_MOST_RESERVE_BYTES, round(_RESERVE_SHARE * total))
    if free - size < reserve:
        raise RequestError(
            f"{folder}: the disk has {free / 1e6:.3g} MB left, and {reserve / 1e6:.3g} "
            "MB of it are kept free; delete files that are not needed."
        )


@contextlib.contextmanager
def reporting_failure(path: Path, does: str = "written") -> Iterator[None]:
    """Turns an `OSError` of the block into a `RequestError`.

    Args:
        path: What the block uses.
        does: What cannot be done with it.
    """
    try:
        yield
    except OSError as error:
        raise RequestError(
            f"{path}: cannot be {does} ({error.strerror or error}); check the disk and "
            "the permissions."
        ) from error
