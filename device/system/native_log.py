"""Keeps quiet what C++ libraries write to stderr about nothing that matters.

TensorFlow, its converter and the TFLite runtimes print lines such as "INFO: Created
TensorFlow Lite XNNPACK delegate for CPU." straight to file descriptor 2, past Python
and past every logging level that can be set from here.
"""

import contextlib
import faulthandler
import os
import sys
from collections.abc import Iterator

# TensorFlow's own switch: with "0", everything it has to say is shown.
_LEVEL_VARIABLE = "TF_CPP_MIN_LOG_LEVEL"


@contextlib.contextmanager
def withholding_native_log() -> Iterator[None]:
    """Withholds what is written to file descriptor 2 in the block.

    It is thrown away if the block succeeds, and written after all if the block raises:
    it may tell why. With `TF_CPP_MIN_LOG_LEVEL=0` in the environment, nothing is
    withheld. The descriptor belongs to the whole process, so that lines which other
    threads log meanwhile are withheld as well: keep the block short. A crash in C++
    loses it, but not in silence: Python then shows where it happened.
    """
    if os.environ.get(_LEVEL_VARIABLE) == "0" or not _is_open(2):
        yield
        return
    _flush()
    shown, withheld = os.dup(2), _open_store()
    reports_crashes = faulthandler.is_enabled()
    try:
        os.dup2(withheld, 2)
        if not reports_crashes:
            faulthandler.enable(shown)
        yield
    except BaseException:
        _restore(shown)
        _copy_to_stderr(withheld)
        raise
    finally:
        if not reports_crashes:
            faulthandler.disable()
        _restore(shown)
        os.close(shown)
        os.close(withheld)


def _restore(shown: int) -> None:
    _flush()
    os.dup2(shown, 2)


def _flush() -> None:
    """Python's part of stderr must not end up on the other side of the switch."""
    if sys.stderr is not None:
        sys.stderr.flush()


def _is_open(descriptor: int) -> bool:
    """A service may run with its stderr closed."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _open_store() -> int:
    """Returns a descriptor to write to; in memory, as a device's disk may be full."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("withheld_log")
    return os.open(os.devnull, os.O_RDWR)


def _copy_to_stderr(withheld: int) -> None:
    os.lseek(withheld, 0, os.SEEK_SET)
    while block := os.read(withheld, 1 << 16):
        os.write(2, block)
