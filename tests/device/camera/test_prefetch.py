"""The prefetch thread: order, errors, bounds, and that it ends."""

import threading

import pytest

from corallite.device.camera.prefetch import prefetching


def do_nothing():
    pass


def test_order_is_kept():
    with prefetching(iter(range(1, 500)), do_nothing) as items:
        assert list(items) == list(range(1, 500))


def test_error_is_raised_in_place_of_the_item():
    def failing():
        yield 1
        yield 2
        raise OSError("the disk is gone")

    with prefetching(failing(), do_nothing) as items:
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(OSError, match="the disk is gone"):
            next(items)


@pytest.mark.parametrize("count", [1, 3])
def test_at_most_count_items_are_read_ahead(count, wait_until):
    read = []

    def reading():
        for number in range(1, 100):
            read.append(number)
            yield number

    with prefetching(reading(), do_nothing, count=count) as items:
        assert next(items) == 1 and next(items) == 2
        wait_until(lambda: len(read) == 2 + count)
    assert len(read) == 2 + count


def test_next_item_is_read_while_one_is_in_use(wait_until):
    started = threading.Event()

    def reading():
        yield 1
        started.set()
        yield 2

    with prefetching(reading(), do_nothing) as items:
        next(items)
        next(items)
        # There is no further `next`: the item is still in use.
        wait_until(started.is_set)


def test_item_is_prepared_only_while_another_waits(wait_until):
    may_read, prepared = threading.Semaphore(0), []

    def reading():
        for number in range(1, 5):
            may_read.acquire()
            yield number

    def prepare(number):
        prepared.append(number)
        return 10 * number

    with prefetching(reading(), do_nothing, prepare) as items:
        may_read.release(2)
        # No item waited when the first was read; the first waited at the second.
        wait_until(lambda: prepared == [2])
        assert [next(items), next(items)] == [1, 20]
        may_read.release(2)
        wait_until(lambda: prepared == [2, 4])
        assert list(items) == [3, 40]


def test_end_releases_a_consumer_in_another_thread(wait_until):
    waits, is_free = threading.Event(), threading.Event()
    seen: list[int] = []

    def reading():
        yield 1
        waits.set()
        is_free.wait()

    with prefetching(reading(), do_nothing) as items:
        waiter = threading.Thread(target=lambda: seen.extend(items))
        waiter.start()
        waits.wait()
        threading.Timer(0.1, is_free.set).start()
    waiter.join(60)
    assert not waiter.is_alive() and seen == [1]


def test_on_wait_is_called_during_a_wait():
    called = threading.Event()

    def waiting():  # Without a call it would never return.
        called.wait()
        yield 7

    with prefetching(waiting(), called.set) as items:
        assert list(items) == [7]
    assert "prefetch" not in [thread.name for thread in threading.enumerate()]
