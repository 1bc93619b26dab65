"""The first signal sets an event, the second one interrupts."""

import signal
import threading

import pytest

from corallite.device.system.signals import calling_on_hangup, stop_on_signals


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_sets_the_event_and_a_second_interrupts(number):
    former = signal.getsignal(number)
    with stop_on_signals() as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is former


def test_second_signal_calls_the_former_handler():
    seen = []
    former = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with stop_on_signals():
            signal.raise_signal(signal.SIGTERM)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, former)
    assert seen == [signal.SIGTERM]


def test_other_threads_get_an_event_that_stays_unset():
    seen = []

    def work():
        with stop_on_signals() as stop:
            seen.append(stop.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def test_hangup_calls_and_the_former_handler_is_restored():
    former = signal.getsignal(signal.SIGHUP)
    calls = []
    with calling_on_hangup(lambda: calls.append("again")):
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
    assert calls == ["again", "again"]
    assert signal.getsignal(signal.SIGHUP) == former
