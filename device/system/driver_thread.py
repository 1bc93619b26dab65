"""Threads that may hang in a driver, where nothing can wake them."""

import threading


class DriverThread(threading.Thread):
    """A thread that calls into a driver, and is left behind if that never returns."""

    def __init__(self, name: str) -> None:
        """Is not started yet; `name` is for the stacks of a debugger."""
        super().__init__(name=name, daemon=True)


def is_any_left() -> bool:
    """Tells whether such a thread still runs.

    Then the interpreter must not be taken down: the thread would come back from the
    driver into one that is gone, and abort the process.
    """
    return any(isinstance(thread, DriverThread) for thread in threading.enumerate())
