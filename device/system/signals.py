"""Signals that ask a loop to stop, which then ends at a suitable point."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


class Stop(threading.Event):
    """Set when the loop must end.

    Attributes:
        signal_number: Number of the signal that set it; None if none did.
    """

    signal_number: int | None = None


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Yields an event that SIGINT and SIGTERM set, instead of ending the process.

    A second signal raises `KeyboardInterrupt`, because the loop may hang where it does
    not check the event. The block restores the former handlers. Python allows handlers
    only in the main thread; in other threads nothing sets the event.
    """
    stop = Stop()

    def ask_to_stop(signal_number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            if callable(handler := former[signal_number]):
                handler(signal_number, frame)  # It may record the signal's number.
            raise KeyboardInterrupt
        stop.signal_number = signal_number
        stop.set()

    with _handling(ask_to_stop, signal.SIGINT, signal.SIGTERM) as former:
        yield stop


@contextlib.contextmanager
def calling_on_hangup(call: Callable[[], None]) -> Iterator[None]:
    """Makes SIGHUP call `call`, which must not block; restores the former handler.

    Python allows handlers only in the main thread; in other threads it does nothing.
    """
    with _handling(lambda number, frame: call(), signal.SIGHUP):
        yield


@contextlib.contextmanager
def _handling(
    handler: Callable[[int, FrameType | None], None], *numbers: int
) -> Iterator[dict[int, Any]]:
    """Installs a handler in the main thread; yields and restores the former ones."""
    is_main = threading.current_thread() is threading.main_thread()
    former = {number: signal.signal(number, handler) for number in numbers if is_main}
    try:
        yield former
    finally:
        for number, old in former.items():
            signal.signal(number, old)
