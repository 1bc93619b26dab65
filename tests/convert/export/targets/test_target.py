"""A tool that fails or hangs ends in a sentence."""

import re
import subprocess
import sys

import pytest

from corallite.convert.export.targets.target import reporting
from corallite.device.system.errors import RequestError

HANGS = """
import time
from corallite.convert.export.targets.target import reporting
from corallite.device.system.native_log import withholding_native_log
with reporting("NNCF", 0.2), withholding_native_log():
    time.sleep(600)
"""


def test_what_a_tool_raises_is_a_sentence():
    with pytest.raises(
        RequestError, match=r"NNCF cannot write the model \(no node 3\)"
    ):
        with reporting("NNCF"):
            raise ValueError("no node 3")


@pytest.mark.slow
def test_a_tool_that_hangs_is_ended():
    ended = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=120
    )
    last = ended.stderr.splitlines()[-1]
    assert ended.returncode == 2
    assert re.match(r"corallite: NNCF gave no result in 0\.2 s and was ended; ", last)
