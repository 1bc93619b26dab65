"""Waits that double up to a limit."""

from corallite.device.system.backoff import backoff_s


def test_wait_doubles_with_each_failure_up_to_the_longest():
    waits_s = [backoff_s(failures, 0.5, 5.0) for failures in range(7)]
    assert waits_s == [0, 0.5, 1, 2, 4, 5, 5]


def test_many_failures_do_not_overflow():
    assert backoff_s(10**9, 1.0, 60.0) == 60
