"""The order in which waiting images are admitted."""

import asyncio
from types import SimpleNamespace

import pytest

from corallite.device.serve.guard import admission
from corallite.device.serve.guard.admission import Admission
from corallite.device.serve.guard.refusal import Limits, Refusal


@pytest.mark.parametrize("ticks", range(5))
def test_request_being_admitted_takes_no_place_in_the_queue(ticks):
    async def send_all():
        queue, go = Admission(Limits(running=2, waiting=3)), asyncio.Event()

        async def request():
            async with queue.enter():
                await go.wait()

        requests = [asyncio.create_task(request()) for _ in range(2)]
        for _ in range(ticks):
            await asyncio.sleep(0)
        requests += [asyncio.create_task(request()) for _ in range(3)]
        while (queue.running, queue.waiting) != (2, 3):
            await asyncio.sleep(0)
        go.set()
        await asyncio.gather(*requests)

    asyncio.run(send_all())


def run_all(requests, limits):
    """Sends all requests while one runs; returns the order in which they run."""

    async def send_all():
        queue, go, order = Admission(limits), asyncio.Event(), []

        async def request(name, pixels):
            async with queue.enter(pixels):
                await go.wait()
                order.append(name)

        tasks = [asyncio.create_task(request(*args)) for args in requests]
        while queue.waiting < len(requests) - limits.running:
            await asyncio.sleep(0)
        go.set()
        await asyncio.gather(*tasks)
        assert (queue.running, queue.waiting) == (0, 0)
        return order

    return asyncio.run(send_all())


def test_small_images_overtake_large_ones():
    large = [(f"large {n}", 12_000_000) for n in range(4)]
    order = run_all([*large, ("small", 300_000)], Limits(running=1))
    assert order == ["large 0", "small", "large 1", "large 2", "large 3"]


def test_large_image_is_not_overtaken_forever(monkeypatch):
    """A later small image has its turn after an older large one."""
    times_s = iter([0.0, 11.9, 12.1])
    clock = SimpleNamespace(monotonic=lambda: next(times_s))
    monkeypatch.setattr(admission, "time", clock)
    requests = [("runs", 0), ("large", 12_000_000), ("early", 0), ("late", 0)]
    order = run_all(requests, Limits(running=1))
    assert order == ["runs", "early", "large", "late"]


def test_images_that_leave_the_queue_free_their_places():
    async def leave():
        queue = Admission(Limits(running=1, wait_s=0.01))

        async def request():
            async with queue.enter():
                pass

        async with queue.enter():
            cancelled = asyncio.create_task(request())
            await asyncio.sleep(0)
            cancelled.cancel()
            with pytest.raises(Refusal, match="Other requests took too long"):
                await request()
            assert (queue.running, queue.waiting) == (1, 0)
            admitted = asyncio.create_task(request())
            await asyncio.sleep(0)
        # Cancelled between its admission and its next step.
        admitted.cancel()
        await asyncio.gather(cancelled, admitted, return_exceptions=True)
        assert (queue.running, queue.waiting) == (0, 0)

    asyncio.run(leave())
