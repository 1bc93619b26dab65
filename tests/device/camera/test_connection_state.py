"""States of a source and the waits between its openings, on a clock of our own."""

import random

import pytest

from corallite.device.camera.connection_state import (
    Action,
    Patience,
    SourceState,
    State,
)


def opened(now_s=0.0, **patience):
    state = SourceState(Patience(**patience), now_s, random.Random(0))
    assert state.check(now_s) is Action.OPEN
    state.note_opening(now_s)
    return state


def live(now_s=0.0, **patience):
    state = opened(now_s, **patience)
    state.note_frame(now_s)
    return state


def test_it_is_opening_until_the_first_frame():
    state = opened()
    assert (state.check(1), state.state) == (Action.NOTHING, State.OPENING)
    state.note_frame(2)
    assert (state.check(2), state.state) == (Action.NOTHING, State.LIVE)


def test_silence_makes_it_stale_and_a_frame_live_again():
    state = live(stale_after_s=5)
    assert (state.check(4.9), state.state) == (Action.NOTHING, State.LIVE)
    assert (state.check(5), state.state) == (Action.NOTHING, State.STALE)
    state.note_frame(6)
    assert (state.check(7), state.state) == (Action.NOTHING, State.LIVE)


def test_longer_silence_closes_it_and_opens_it_again():
    state = live(stale_after_s=5)
    assert (state.check(10), state.state) == (Action.CLOSE, State.REOPENING)
    assert state.check(10.1) is Action.NOTHING
    assert state.check(10.5) is Action.OPEN
    state.note_opening(10.5)
    assert (state.check(11), state.state) == (Action.NOTHING, State.REOPENING)
    state.note_frame(11)
    assert state.state is State.LIVE


def test_opening_has_more_time_than_a_frame():
    state = opened(stale_after_s=1)
    assert state.check(19.9) is Action.NOTHING
    assert (state.check(20), state.state) == (Action.CLOSE, State.REOPENING)


def test_waits_double_up_to_half_a_minute_and_are_spread():
    state = opened()
    delays = []
    for number in range(2000):
        state.note_failure(number)
        delays.append(state.delay_s)
    longest = [0.5, 1, 2, 4, 8, 16] + [30] * 1994
    parts = [delay / most for delay, most in zip(delays, longest, strict=True)]
    assert 0.5 <= min(parts) < 0.51 and 0.99 < max(parts) <= 1


def test_source_that_gives_one_frame_at_a_time_is_not_hammered():
    state = live()
    for number in range(10):
        state.note_failure(number)
        state.note_opening(number)
        state.note_frame(number)
    state.note_failure(10)
    assert state.delay_s >= 15


def test_after_a_long_life_the_waits_start_afresh():
    state = live()
    for number in range(10):
        state.note_failure(number)
    state.note_opening(100)
    state.note_frame(100)
    state.note_failure(130)
    assert state.delay_s <= 0.5 and state.failures == 1


def test_it_is_given_up_after_its_time():
    state = live(give_up_after_s=60)
    state.note_failure(1)
    assert (state.check(59.9), state.state) == (Action.OPEN, State.REOPENING)
    assert (state.check(60), state.state) == (Action.CLOSE, State.GIVEN_UP)
    assert (state.check(9999), state.state) == (Action.NOTHING, State.GIVEN_UP)


def test_patience_of_0_still_tries_once():
    state = opened(give_up_after_s=0)
    assert (state.check(1), state.state) == (Action.NOTHING, State.OPENING)
    state.note_failure(2)
    assert (state.check(2), state.state) == (Action.CLOSE, State.GIVEN_UP)


def test_a_frame_in_between_prolongs_it():
    state = live(give_up_after_s=60)
    state.note_failure(1)
    state.note_opening(2)
    state.note_frame(50)
    state.note_failure(51)
    assert (state.check(109), state.state) == (Action.OPEN, State.REOPENING)
    assert (state.check(110), state.state) == (Action.CLOSE, State.GIVEN_UP)


@pytest.mark.parametrize("years", [1, 10])
def test_by_default_it_is_never_given_up(years):
    state = live()
    state.note_failure(1)
    assert state.check(years * 3e7) is Action.OPEN
