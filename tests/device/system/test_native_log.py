"""Output of C++ libraries is withheld, and shown if the block fails."""

import os
import subprocess
import sys

import pytest

from corallite.device.system.native_log import withholding_native_log


def write_natively(text):
    os.write(2, text.encode())


@pytest.fixture(autouse=True)
def default_level(monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)


def test_native_lines_are_withheld_only_in_the_block(capfd):
    with withholding_native_log():
        write_natively("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
    write_natively("after\n")
    assert capfd.readouterr().err == "after\n"


def test_native_lines_are_shown_if_the_block_raises(capfd):
    with pytest.raises(ImportError, match="no such symbol"):
        with withholding_native_log():
            write_natively("the reason\n")
            raise ImportError("no such symbol")
    write_natively("after\n")
    assert capfd.readouterr().err == "the reason\nafter\n"


def test_long_output_does_not_block(capfd):
    with withholding_native_log():
        write_natively("x" * (1 << 20))
    assert capfd.readouterr().err == ""


def test_level_zero_shows_everything(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with withholding_native_log():
        write_natively("oneDNN custom operations are on\n")
    assert "oneDNN" in capfd.readouterr().err


def test_no_descriptor_is_left_open():
    def count_open():
        return len(os.listdir("/proc/self/fd"))

    before = count_open()
    for _ in range(3):
        with withholding_native_log():
            pass
    assert count_open() == before


def test_closed_stderr_is_harmless():
    code = (
        "import os; os.close(2)\n"
        "from corallite.device.system.native_log import withholding_native_log\n"
        "with withholding_native_log(): print('done')"
    )
    result = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert (result.returncode, result.stdout) == (0, b"done\n")


def test_crash_prints_a_traceback():
    """On a processor without AVX, importing TensorFlow crashes."""
    code = (
        "import os\n"
        "from corallite.device.system.native_log import withholding_native_log\n"
        "with withholding_native_log(): os.abort()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert result.returncode < 0
    assert b"Fatal Python error: Aborted" in result.stderr
    assert b'File "<string>", line 3' in result.stderr
