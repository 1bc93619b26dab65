"""Ends a process whose parent has ended, however that came about."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(parent: int) -> None:
    """Has this process killed when the thread that started it ends.

    The kernel does it, so that it happens to a process that hangs in a driver or is
    stopped, too. Elsewhere than on Linux, nothing is done.

    Args:
        parent: The process that started this one. If it is gone already, this one
            exits at once.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have ended before it was heeded.
    if os.getppid() != parent:
        os._exit(1)
