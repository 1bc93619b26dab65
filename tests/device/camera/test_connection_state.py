"""States of a source and the delays before it is reopened, on a fake clock."""

import random

import pytest

from corallite.device.camera.connection_state import (
    Action,
    ConnectionState,
    State,
    Status,
    Timeouts,
)


def opened(now_s=0.0, **timeouts):
    state = ConnectionState(Timeouts(**timeouts), now_s, random.Random(0))
    assert state.check(now_s) is Action.OPEN
    state.note_opening(now_s)
    return state


def live(now_s=0.0, **timeouts):
    state = opened(now_s, **timeouts)
    state.note_frame(now_s)
    return state


def test_state_is_opening_until_the_first_frame():
    state = opened()
    assert (state.check(1), state.state) == (Action.NOTHING, State.OPENING)
    state.note_frame(2)
    assert (state.check(2), state.state) == (Action.NOTHING, State.LIVE)


def test_source_without_frames_is_stale_and_live_again_after_one():
    state = live(stale_after_s=5)
    assert (state.check(4.9), state.state) == (Action.NOTHING, State.LIVE)
    assert (state.check(5), state.state) == (Action.NOTHING, State.STALE)
    state.note_frame(6)
    assert (state.check(7), state.state) == (Action.NOTHING, State.LIVE)


def test_stale_source_is_closed_and_reopened():
    state = live(stale_after_s=5)
    assert (state.check(10), state.state) == (Action.CLOSE, State.REOPENING)
    assert state.check(10.1) is Action.NOTHING
    assert state.check(10.5) is Action.OPEN
    state.note_opening(10.5)
    assert (state.check(11), state.state) == (Action.NOTHING, State.REOPENING)
    state.note_frame(11)
    assert state.state is State.LIVE


def test_state_and_reason_change_together():
    state = ConnectionState(Timeouts(), 0, random.Random(0), "x: sends nothing.")
    assert state.status == Status(State.OPENING)
    seen = []
    for number in range(1, 5):
        state.note_opening(number)
        state.note_failure(number, f"x: failed {number} times.")
        seen.append(state.status)
    # While it is opened again, the reason is still that of the last failure.
    state.note_opening(5)
    seen.append(state.status)
    reasons = [f"x: failed {number} times." for number in (1, 2, 3, 4, 4)]
    assert [status.reason for status in seen] == reasons
    assert [status.failures for status in seen] == [1, 2, 3, 4, 4]
    assert {status.state for status in seen} == {State.REOPENING}
    state.note_frame(6)
    assert state.status == Status(State.LIVE, "", 4)
    state.check(11)
    assert state.status == Status(State.STALE, "x: sends nothing.", 4)
    state.check(16)
    assert state.status == Status(State.REOPENING, "x: sends nothing.", 5)


def test_source_given_up_keeps_its_reason():
    state = opened(give_up_after_s=0)
    state.note_failure(1, "x: is gone.")
    state.check(1)
    assert state.status == Status(State.GIVEN_UP, "x: is gone.", 1)


def test_opening_has_a_longer_timeout_than_a_frame():
    state = opened(stale_after_s=1)
    assert state.check(19.9) is Action.NOTHING
    assert (state.check(20), state.state) == (Action.CLOSE, State.REOPENING)


def test_delay_doubles_up_to_30_s_with_jitter():
    state = opened()
    delays = []
    for number in range(2000):
        state.note_failure(number, "x: is gone.")
        delays.append(state.delay_s)
    longest = [0.5, 1, 2, 4, 8, 16] + [30] * 1994
    shares = [delay / most for delay, most in zip(delays, longest, strict=True)]
    assert 0.5 <= min(shares) < 0.51 and 0.99 < max(shares) <= 1


def test_delay_also_grows_if_each_opening_gives_one_frame():
    state = live()
    for number in range(10):
        state.note_failure(number, "x: is gone.")
        state.note_opening(number)
        state.note_frame(number)
    state.note_failure(10, "x: is gone.")
    assert state.delay_s >= 15


def test_delay_is_reset_after_a_long_time_live():
    state = live()
    for number in range(10):
        state.note_failure(number, "x: is gone.")
    state.note_opening(100)
    state.note_frame(100)
    state.note_failure(130, "x: is gone.")
    assert state.delay_s <= 0.5 and state.failures == 1


def test_source_is_given_up_after_its_timeout():
    state = live(give_up_after_s=60)
    state.note_failure(1, "x: is gone.")
    assert (state.check(59.9), state.state) == (Action.OPEN, State.REOPENING)
    assert (state.check(60), state.state) == (Action.CLOSE, State.GIVEN_UP)
    assert (state.check(9999), state.state) == (Action.NOTHING, State.GIVEN_UP)


def test_timeout_of_0_still_allows_one_attempt():
    state = opened(give_up_after_s=0)
    assert (state.check(1), state.state) == (Action.NOTHING, State.OPENING)
    state.note_failure(2, "x: is gone.")
    assert (state.check(2), state.state) == (Action.CLOSE, State.GIVEN_UP)


def test_frame_restarts_the_timeout():
    state = live(give_up_after_s=60)
    state.note_failure(1, "x: is gone.")
    state.note_opening(2)
    state.note_frame(50)
    state.note_failure(51, "x: is gone.")
    assert (state.check(109), state.state) == (Action.OPEN, State.REOPENING)
    assert (state.check(110), state.state) == (Action.CLOSE, State.GIVEN_UP)


@pytest.mark.parametrize("years", [1, 10])
def test_default_is_never_to_give_up(years):
    state = live()
    state.note_failure(1, "x: is gone.")
    assert state.check(years * 3e7) is Action.OPEN
