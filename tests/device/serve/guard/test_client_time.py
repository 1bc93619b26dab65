"""How long a client may take for a body."""

import asyncio
from functools import partial
from types import SimpleNamespace

import pytest

from corallite.device.serve.guard import client_time
from corallite.device.serve.guard.client_time import ClientTime
from corallite.device.serve.guard.refusal import Limits, Refusal


def receive_all(limits, parts, monkeypatch):
    """Receives parts, each with the seconds that it takes, without a wait."""
    now_s = 0.0
    clock = SimpleNamespace(monotonic=lambda: now_s)
    monkeypatch.setattr(client_time, "time", clock)

    async def receive_part(seconds, size):
        nonlocal now_s
        now_s += seconds
        return {"type": "http.request", "body": bytes(size)}

    async def receive():
        nonlocal now_s
        left = ClientTime(limits)
        for part in parts:
            await left.receive(partial(receive_part, *part))
        now_s += 1000  # The server makes the client wait.
        await left.receive(partial(receive_part, 0, 1))

    asyncio.run(receive())


LIMITS = Limits(body_s=100, min_bytes_s=1000, silence_s=5)


@pytest.mark.parametrize(
    "parts",
    [
        [(1, 1000)] * 50,  # The lowest rate.
        [(4.9, 10**6), (4.9, 10**6)],  # Pauses.
        [(1, 0), (1, 0), (1, 10)],
    ],
)
def test_client_above_the_lowest_rate_is_heard(parts, monkeypatch):
    receive_all(LIMITS, parts, monkeypatch)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ([(1, 10)] * 6, "arrived at less than 1 kB per second"),
        # Earlier bytes pay for no longer pause.
        ([(0, 10**6), (5.1, 1)], "arrived at less than 1 kB per second"),
        ([(1, 10**4)] * 101, "took more than 100 seconds"),
    ],
)
def test_client_below_the_lowest_rate_is_refused(parts, sentence, monkeypatch):
    with pytest.raises(Refusal, match=sentence) as refused:
        receive_all(LIMITS, parts, monkeypatch)
    assert refused.value.status == 408
