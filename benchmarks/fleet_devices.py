"""Many devices in one process, for `fleet.py`, until it is killed.

Each has a connection of its own with a will, and publishes the real state every minute
and a label every half minute. They start one after another within a minute. SIGUSR1
makes all publish their state at once.

    python benchmarks/fleet_devices.py PORT FIRST COUNT
"""

import selectors
import signal
import sys
import time
from typing import Any

from fleet_engine import Scored

from corallite.device.engine.classifier import Prediction
from corallite.device.loop.classify_frames import Result
from corallite.device.loop.result_lines import to_json_line
from corallite.device.outputs.broker import (
    AT_LEAST_ONCE,
    KEEPALIVE_S,
    Address,
    make_client,
)
from corallite.device.outputs.state import PERIOD_S, StateFeed
from corallite.device.outputs.topics import OFFLINE, ONLINE, STATUS

_BETWEEN_LABELS_S = 30.0
_RAMP_S = 60.0


class Clock:
    """The time, which a signal moves by a period."""

    skew_s = 0.0

    def __call__(self) -> float:
        """Returns the time in seconds."""
        return time.monotonic() + self.skew_s

    def skip(self, *signal_and_frame: Any) -> None:
        """Moves on by a period; a signal handler."""
        self.skew_s += PERIOD_S


class Device:
    """A connection of a device; without the threads that `Mqtt` has for each."""

    def __init__(self, port: int, number: int, clock: Clock) -> None:
        """Connects."""
        self.topic = f"fleet/{number:05d}"
        address = Address("127.0.0.1", port, self.topic)
        self.client = make_client(address)
        self.client.will_set(f"{self.topic}/{STATUS}", OFFLINE, AT_LEAST_ONCE, True)
        self.client.connect(address.host, port, KEEPALIVE_S)
        self._feed = StateFeed(self.topic, Scored(), clock=clock)
        self._labels_s, self._labels = time.monotonic(), 0
        self._publish(f"{self.topic}/{STATUS}", ONLINE)

    def live(self) -> None:
        """Publishes what is due; called every second."""
        now_s = time.monotonic()
        label = ("cat", "dog")[self._labels % 2]
        top = [Prediction(label, 0.9), Prediction("other", 0.1)]
        result = Result(self._labels, now_s, "camera", top, label, 5.0)
        self._feed.put(result)
        if now_s >= self._labels_s:
            self._labels_s, self._labels = now_s + _BETWEEN_LABELS_S, self._labels + 1
            self._publish(self.topic, to_json_line(result))
        for topic, payload in self._feed.take().items():
            self._publish(topic, payload)
            self._publish(f"{self.topic}/{STATUS}", ONLINE)
        self.client.loop_misc()

    def _publish(self, topic: str, payload: str | bytes) -> None:
        self.client.publish(topic, payload, AT_LEAST_ONCE, retain=True)


def main() -> None:
    """Runs until it is killed."""
    port, first, count = map(int, sys.argv[1:])
    clock, devices = Clock(), []
    signal.signal(signal.SIGUSR1, clock.skip)
    selector = selectors.DefaultSelector()
    start_s = next_s = time.monotonic()
    while True:
        begun = (time.monotonic() - start_s) / _RAMP_S * count
        while len(devices) < min(count, begun):
            device = Device(port, first + len(devices), clock)
            devices.append(device)
            selector.register(device.client.socket(), selectors.EVENT_READ, device)
        for key, _ in selector.select(0.05):
            key.data.client.loop_read()
        if time.monotonic() >= next_s:
            next_s += 1.0
            for device in devices:
                device.live()


if __name__ == "__main__":
    main()
