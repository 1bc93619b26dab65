"""Threads that may hang in a driver, where nothing can interrupt them."""

import threading


class DriverThread(threading.Thread):
    """A thread that calls a driver, and is abandoned if the call never returns."""

    def __init__(self, name: str) -> None:
        """Creates the thread; `name` is shown in a debugger."""
        super().__init__(name=name, daemon=True)


def is_any_left() -> bool:
    """Returns whether such a thread still runs.

    Then Python must not shut down its interpreter: if the driver returns later, the
    thread would abort the process.
    """
    return any(isinstance(thread, DriverThread) for thread in threading.enumerate())
