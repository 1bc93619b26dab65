"""The thread that reads ahead: order, errors, bounds, and that it ends."""

import threading

import pytest

from corallite.device.camera.prefetch import looking_ahead


def do_nothing():
    pass


def test_everything_comes_in_order():
    with looking_ahead(iter(range(1, 500)), do_nothing) as items:
        assert list(items) == list(range(1, 500))


def test_error_comes_where_the_item_would_have():
    def failing():
        yield 1
        yield 2
        raise OSError("the disk is gone")

    with looking_ahead(failing(), do_nothing) as items:
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(OSError, match="the disk is gone"):
            next(items)


@pytest.mark.parametrize("count", [1, 3])
def test_no_more_is_read_than_was_asked_for(count, wait_until):
    read = []

    def reading():
        for number in range(1, 100):
            read.append(number)
            yield number

    with looking_ahead(reading(), do_nothing, count=count) as items:
        assert next(items) == 1 and next(items) == 2
        wait_until(lambda: len(read) == 2 + count)
    assert len(read) == 2 + count


def test_next_is_read_while_the_last_is_in_use(wait_until):
    started = threading.Event()

    def reading():
        yield 1
        started.set()
        yield 2

    with looking_ahead(reading(), do_nothing) as items:
        next(items)
        next(items)
        # Without a further `next`, as long as the item is in use.
        wait_until(started.is_set)


def test_only_what_comes_while_another_waits_is_prepared(wait_until):
    may_read, prepared = threading.Semaphore(0), []

    def reading():
        for number in range(1, 5):
            may_read.acquire()
            yield number

    def prepare(number):
        prepared.append(number)
        return 10 * number

    with looking_ahead(reading(), do_nothing, prepare) as items:
        may_read.release(2)
        # Nothing waited when the first was read; the first did at the second.
        wait_until(lambda: prepared == [2])
        assert [next(items), next(items)] == [1, 20]
        may_read.release(2)
        wait_until(lambda: prepared == [2, 4])
        assert list(items) == [3, 40]


def test_one_that_waits_in_another_thread_is_let_go(wait_until):
    waits, is_free = threading.Event(), threading.Event()
    seen: list[int] = []

    def reading():
        yield 1
        waits.set()
        is_free.wait()

    with looking_ahead(reading(), do_nothing) as items:
        waiter = threading.Thread(target=lambda: seen.extend(items))
        waiter.start()
        waits.wait()
        threading.Timer(0.1, is_free.set).start()
    waiter.join(60)
    assert not waiter.is_alive() and seen == [1]


def test_wait_for_an_item_is_told_and_the_thread_ends():
    told = threading.Event()

    def waiting():  # For ever, if nobody is told.
        told.wait()
        yield 7

    with looking_ahead(waiting(), told.set) as items:
        assert list(items) == [7]
    assert "reader ahead" not in [thread.name for thread in threading.enumerate()]
