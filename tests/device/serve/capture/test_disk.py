"""A part of the disk stays free."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from corallite.device.serve.capture.disk import reporting_failure, require_space
from corallite.device.system.errors import RequestError

MB = 10**6


@pytest.fixture
def disk(monkeypatch):
    """A function that sets size and free space of the disk, in MB."""

    def make(total, free):
        found = SimpleNamespace(f_frsize=MB, f_blocks=total, f_bavail=free)
        monkeypatch.setattr(os, "statvfs", lambda path: found)

    return make


@pytest.mark.parametrize(
    ("total", "free", "is_enough"),
    [(32000, 202, True), (32000, 200, False), (1000, 52, True), (1000, 50, False)],
)
def test_reserve_is_200_mb_or_5_percent(disk, total, free, is_enough):
    disk(total, free)
    if is_enough:
        require_space(Path("photos"), MB)
        return
    with pytest.raises(RequestError, match=f"photos: the disk has {free} MB left"):
        require_space(Path("photos"), MB)


def test_error_of_the_disk_is_one_sentence():
    with pytest.raises(RequestError, match="x.jpg: cannot be written .Input/output"):
        with reporting_failure(Path("x.jpg")):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
