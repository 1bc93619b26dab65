"""Ends a process when its parent ends, for whatever reason."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(parent: int) -> None:
    """Makes the kernel kill this process when the thread that started it ends.

    This also works if the process hangs in a driver or is stopped. It does nothing on
    systems other than Linux.

    Args:
        parent: Id of the process that started this one. If that has ended already,
            this process exits immediately.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have ended before it was heeded.
    if os.getppid() != parent:
        os._exit(1)
