"""The thread that reads ahead: order, errors, bounds, and that it ends."""

import threading

import pytest

from corallite.device.lookahead import looking_ahead


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

    with looking_ahead(reading(), do_nothing, count) as items:
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


def test_one_that_reads_ahead_of_another_ends_with_it(wait_until):
    waits, threads = threading.Event(), threading.active_count()
    is_free = threading.Event()

    def reading():
        yield 1
        waits.set()
        is_free.wait()
        yield 2

    with looking_ahead(reading(), do_nothing) as inner:
        outer = looking_ahead(inner, do_nothing)
        items = outer.__enter__()
        assert next(items) == 1
        # The outer thread waits for what the inner one has not read yet.
        waits.wait()
        threading.Timer(0.1, is_free.set).start()
    assert next(items, None) in (None, 2)
    outer.__exit__(None, None, None)
    wait_until(lambda: threading.active_count() == threads)


def test_wait_for_an_item_is_told_and_the_thread_ends():
    told, threads = threading.Event(), threading.active_count()

    def waiting():  # For ever, if nobody is told.
        told.wait()
        yield 7

    with looking_ahead(waiting(), told.set) as items:
        assert list(items) == [7]
    assert threading.active_count() == threads
