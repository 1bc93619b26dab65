"""Two hours of messages in simulated time: nothing of them stays in memory."""

import gc
import importlib
import struct
import time
import tracemalloc
from pathlib import Path

import pytest

pytest.importorskip("paho.mqtt.client")
BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
DEVICES, MINUTES, HALF = 2, 120, 60


@pytest.fixture
def fleet_day(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("fleet_day")


def test_messages_of_two_hours_leave_nothing_in_memory(broker, fleet_day):
    traced = {}

    def note(minute):
        if minute in (HALF, MINUTES):
            time.sleep(0.5)  # Some kilobytes are still on their way.
            # Up to 100 formats, one for each length of a message, are kept by Python.
            struct._clearcache()  # type: ignore[attr-defined]
            gc.collect()
            traced[minute] = tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        messages, _ = fleet_day.live(broker.port, DEVICES, MINUTES, note)
    finally:
        tracemalloc.stop()
    assert messages == 480
    # 240 messages of about 350 bytes, 84 KB, are published in the second hour, and
    # each passes a device and the listener. A tenth of them is more than 8 KB.
    assert traced[MINUTES] - traced[HALF] < 8_000
