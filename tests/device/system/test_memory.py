"""The memory of this process."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from corallite.device.system.memory import read_available_bytes, read_peak_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_includes_memory_that_was_freed():
    before = read_peak_bytes()
    assert before
    np.ones(2 * before, np.uint8)
    assert (read_peak_bytes() or 0) >= 2 * before


def test_free_memory_is_less_than_all():
    free = read_available_bytes()
    if not Path("/proc/meminfo").exists():
        assert free is None
        return
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert free is not None and 0 < free < total
