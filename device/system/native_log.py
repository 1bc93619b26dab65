"""Suppresses unimportant lines that C++ libraries write to stderr.

TensorFlow, its converter and the TFLite runtimes print lines such as "INFO: Created
TensorFlow Lite XNNPACK delegate for CPU." directly to file descriptor 2. No logging
level of Python affects them.
"""

import contextlib
import faulthandler
import os
import sys
from collections.abc import Iterator

# TensorFlow's own setting; "0" shows everything.
_LEVEL_VARIABLE = "TF_CPP_MIN_LOG_LEVEL"


@contextlib.contextmanager
def withholding_native_log() -> Iterator[None]:
    """Withholds everything that is written to file descriptor 2 in the block.

    If the block succeeds, the output is discarded. If the block raises, the output is
    written to stderr, because it may contain the reason. With
    `TF_CPP_MIN_LOG_LEVEL=0` in the environment, nothing is withheld. The descriptor
    belongs to the process, so lines of other threads are withheld too: keep the block
    short. A crash in C++ loses the output, but Python prints a traceback.
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
    """Flushes Python's buffer of stderr before the descriptor changes."""
    if sys.stderr is not None:
        sys.stderr.flush()


def _is_open(descriptor: int) -> bool:
    """Returns whether a descriptor is open; a service may run without stderr."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _open_store() -> int:
    """Returns a descriptor of a file in memory, because the disk may be full."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("withheld_log")
    return os.open(os.devnull, os.O_RDWR)


def _copy_to_stderr(withheld: int) -> None:
    os.lseek(withheld, 0, os.SEEK_SET)
    while block := os.read(withheld, 1 << 16):
        os.write(2, block)
