"""A day of a few devices in simulated time, through a real broker.

Publishing, the broker and the listener are those that users run; only the clock of the
states is not real. A minute takes some milliseconds.
"""

import contextlib
import time
from collections.abc import Callable

from fleet_engine import Scored

from corallite.device.engine.classifier import Prediction
from corallite.device.fleet.listener import Listener
from corallite.device.loop.classify_frames import Result
from corallite.device.outputs.broker import Address
from corallite.device.outputs.mqtt import Mqtt
from corallite.device.outputs.state import PERIOD_S, StateFeed

MINUTES = 24 * 60
_LIMIT_S = 60.0
_LABELS = ("cat", "dog", "unknown")


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        """Starts at 0."""
        self.now_s = 0.0

    def __call__(self) -> float:
        """Returns the time in seconds."""
        return self.now_s


def live(
    port: int, devices: int, minutes: int, note: Callable[[int], None]
) -> tuple[int, float]:
    """Lets devices publish a label and a state each minute, and a listener read them.

    Args:
        port: The broker's, on this machine.
        devices: How many devices.
        minutes: How many simulated minutes.
        note: Called after each minute with its number, from 1.

    Returns:
        The number of results and states, and the seconds that they took.

    Raises:
        TimeoutError: The listener does not get a state, or the broker a result.
    """
    clock, topics = Clock(), [f"day/{n}" for n in range(devices)]
    with contextlib.ExitStack() as stack:
        listener = Listener(Address("127.0.0.1", port, "day"))
        stack.enter_context(contextlib.closing(listener))
        sinks = [_open(port, topic, clock) for topic in topics]
        for sink in sinks:
            stack.enter_context(contextlib.closing(sink))
        _await_frames(listener, devices, 0)
        start_s = time.perf_counter()
        for minute in range(1, minutes + 1):
            for sink in sinks:
                sink.put(_see(minute))
            clock.now_s += PERIOD_S
            _await_frames(listener, devices, minute)
            _await_results(sinks)
            note(minute)
        return 2 * devices * minutes, time.perf_counter() - start_s


def _open(port: int, topic: str, clock: Clock) -> Mqtt:
    state = StateFeed(topic, Scored(), clock=clock)
    return Mqtt(Address("127.0.0.1", port, topic), feeds=[state])


def _see(minute: int) -> Result:
    label = _LABELS[minute % len(_LABELS)]
    top = [Prediction(label, (minute % 100) / 100)]
    return Result(minute, 60.0 * minute, "camera", top, label, 5.0)


def _await_results(sinks: list[Mqtt]) -> None:
    """Waits until the results, which follow the states, are sent."""
    limit_s = time.monotonic() + _LIMIT_S
    while any(sink.waiting for sink in sinks):
        if time.monotonic() > limit_s:
            raise TimeoutError("results still wait to be sent")
        time.sleep(0.001)


def _await_frames(listener: Listener, devices: int, frames: int) -> None:
    """Waits until the last state of each device counts so many frames."""
    limit_s = time.monotonic() + _LIMIT_S
    while True:
        found = [device.state.frames for device in listener.list()]
        if found == [frames] * devices:
            return
        if time.monotonic() > limit_s:
            raise TimeoutError(f"states have {found} frames, not {frames}")
        listener.wait(0.05)
