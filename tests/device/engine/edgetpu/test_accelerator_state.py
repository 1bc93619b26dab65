"""What has to be done about an accelerator, and when."""

import pytest

from corallite.device.engine.edgetpu.accelerator_state import (
    AcceleratorState,
    Limits,
    State,
)

LIMITS = Limits(silent_s=1, first_delay_s=1, longest_delay_s=4, recovered_s=30)


@pytest.fixture
def state():
    """That of one that is expected and was just started, at 100 s."""
    state = AcceleratorState(LIMITS, is_expected=True)
    assert (state.state, state.is_lost) == (State.STOPPED, True)
    state.start(100)
    return state


def test_it_is_loaded_at_once_and_probed_when_no_frame_asks(state):
    assert (state.state, state.wait_s(100)) == (State.LOST, 0)
    assert state.note_ready(105)
    assert (state.state, state.is_lost) == (State.READY, False)
    assert state.wait_s(105) == 1
    state.note_answer(105.75)
    assert state.wait_s(106) == 0.75
    assert state.wait_s(107) == 0


def test_the_wait_doubles_with_each_failure_up_to_a_limit(state):
    waits = []
    for _ in range(5):
        assert state.note_failure(200)
        waits.append(state.wait_s(200))
    assert waits == [1, 2, 4, 4, 4] and state.failures == 5
    assert (state.state, state.is_lost) == (State.LOST, True)


def test_one_that_is_soon_lost_again_is_tried_later(state):
    state.note_ready(100)
    state.note_failure(129)
    assert state.wait_s(129) == 1
    state.note_ready(140)
    state.note_failure(150)
    assert state.wait_s(150) == 2


def test_one_that_was_ready_for_long_is_tried_at_once(state):
    state.note_failure(100)
    state.note_ready(110)
    state.note_failure(140)
    assert (state.failures, state.wait_s(140)) == (0, 0)


def test_one_that_was_never_here_is_not_missed_and_looked_for():
    state = AcceleratorState(LIMITS, is_expected=False)
    state.start(100)
    assert (state.state, state.is_lost) == (State.AWAITED, False)
    state.note_look(False, 100)
    assert (state.state, state.wait_s(100)) == (State.AWAITED, LIMITS.look_s)
    state.note_look(True, 102)
    assert (state.state, state.is_lost, state.wait_s(102)) == (State.LOST, True, 0)
    # From now on it is expected.
    state.stop()
    assert state.is_lost
    state.start(200)
    assert state.state is State.LOST


def test_nothing_changes_after_a_stop(state):
    state.stop()
    assert not state.note_ready(110)
    assert not state.note_failure(110)
    assert (state.state, state.failures) == (State.STOPPED, 0)
    state.note_look(True, 110)
    assert state.state is State.STOPPED
