"""Lets a loop end at a place of its own choosing when it is asked to stop."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


class Stop(threading.Event):
    """Set when the loop is to end.

    Attributes:
        signal_number: Of the signal that set it; None if it was set otherwise.
    """

    signal_number: int | None = None


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Yields an event that SIGINT or SIGTERM sets, instead of ending the process.

    A second signal raises `KeyboardInterrupt`: the loop may be stuck where it never
    looks at the event. The former handlers are back after the block. In a thread
    other than the main one, where Python allows no handlers, nothing sets the event.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask_to_stop(signal_number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            if callable(handler := former[signal_number]):
                handler(signal_number, frame)  # It may note which signal it was.
            raise KeyboardInterrupt
        stop.signal_number = signal_number
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    former: dict[int, Any] = {
        number: signal.signal(number, ask_to_stop) for number in numbers
    }
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def calling_on_hangup(call: Callable[[], None]) -> Iterator[None]:
    """Has SIGHUP call `call`, which must not wait; the former handler is back after.

    In a thread other than the main one, where Python allows no handlers, it does
    nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGHUP, lambda number, frame: call())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, former)
