"""Bodies that wait for memory."""

import asyncio

import pytest

from corallite.device.serve.guard.body_memory import BodyMemory
from corallite.device.serve.guard.refusal import Limits, Refusal

LARGE = 10**6
# One of the largest bodies fits.
LIMITS = Limits(body_bytes=LARGE, bodies=1, wait_s=0.05)


def run(test):
    async def within():
        memory = BodyMemory(LIMITS)
        async with memory.hold() as first, memory.hold() as second:
            memory.add(first, LARGE // 2)
            memory.add(second, LARGE // 2)
            await test(memory, first, second)
        assert (memory.count, memory.bodies) == (0, 0)

    asyncio.run(within())


def test_one_body_grows_at_the_limit_and_the_others_wait():
    async def grow(memory, first, second):
        await memory.wait_for_room(second)
        memory.add(second, 1000)
        await memory.wait_for_room(second)
        with pytest.raises(Refusal, match="Other bodies fill the memory") as refused:
            await memory.wait_for_room(first)
        assert refused.value.status == 503

    run(grow)


def test_waiting_body_grows_once_another_has_ended():
    async def grow(memory, first, second):
        async with memory.hold() as third:
            memory.add(third, LARGE)
            await memory.wait_for_room(third)
            waiting = asyncio.create_task(memory.wait_for_room(first))
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting

    run(grow)


def test_small_body_never_waits():
    async def grow(memory, first, second):
        await memory.wait_for_room(first)
        async with memory.hold() as small:
            memory.add(small, 1000)
            await memory.wait_for_room(small)

    run(grow)


@pytest.mark.parametrize("steps", range(6))
def test_cancelled_bodies_end_and_free_their_memory(steps):
    """asyncio.Condition of Python 3.11 lets some of them wait forever for its lock."""

    async def hold(memory):
        async with memory.hold() as held:
            memory.add(held, LARGE)
            await memory.wait_for_room(held)
            await asyncio.Event().wait()

    async def cancel_twice():
        memory = BodyMemory(LIMITS)
        tasks = [asyncio.create_task(hold(memory)) for _ in range(10)]
        for count in (3, steps):
            for _ in range(count):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
        _, still_waiting = await asyncio.wait(tasks, timeout=10)
        assert not still_waiting
        assert (memory.count, memory.bodies) == (0, 0)

    asyncio.run(cancel_twice())
