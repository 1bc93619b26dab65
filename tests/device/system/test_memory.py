"""The memory of this process."""

import sys

import numpy as np
import pytest

from corallite.device.system.memory import read_peak_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_includes_memory_that_was_freed():
    before = read_peak_bytes()
    assert before
    np.ones(2 * before, np.uint8)
    assert (read_peak_bytes() or 0) >= 2 * before
