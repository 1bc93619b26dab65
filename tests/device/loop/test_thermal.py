"""Boards that heat up and cool down, as descriptions."""

import pytest

from corallite.device.board.sensors import Board
from corallite.device.loop.thermal import Governor


def judge(governor, looks, board, fps=30.0, work_ms=10.0):
    """Looks so often; returns the limit."""
    for _ in range(looks):
        held = fps if governor.limit_fps is None else min(fps, governor.limit_fps)
        governor.judge(board, held, work_ms)
    return governor.limit_fps


def test_cool_board_has_no_limit():
    governor = Governor(80)
    judge(governor, 20, Board(temperature_c=76.9))
    assert (governor.limit_fps, governor.reason, governor.lowered) == (None, "", 0)


def test_rate_is_lowered_before_the_limit_and_further_while_it_stays_hot():
    governor = Governor(80)
    judge(governor, 1, Board(temperature_c=77.0))
    assert governor.limit_fps == pytest.approx(24)
    assert governor.reason == "77 degrees"
    judge(governor, 1, Board(temperature_c=78.0))
    assert governor.limit_fps == pytest.approx(19.2) and governor.lowered == 2


def test_rate_is_never_lowered_below_one_frame_a_second():
    governor = Governor(80)
    judge(governor, 50, Board(temperature_c=90))
    assert governor.limit_fps == 1


def test_slower_source_is_not_made_faster():
    governor = Governor(80)
    judge(governor, 5, Board(temperature_c=90), fps=0.5)
    assert governor.limit_fps == 0.5
    idle = Governor(80)
    judge(idle, 5, Board(temperature_c=90), fps=0)
    assert idle.limit_fps is None


def test_rate_is_held_between_the_marks_and_raised_below_both():
    governor = Governor(80)
    judge(governor, 2, Board(temperature_c=78))
    judge(governor, 9, Board(temperature_c=74))
    assert governor.limit_fps == pytest.approx(19.2)
    judge(governor, 1, Board(temperature_c=71.9))
    assert governor.limit_fps == pytest.approx(21.12)
    judge(governor, 4, Board(temperature_c=60))
    assert (governor.limit_fps, governor.reason) == (None, "")


def test_hot_edge_tpu_counts_like_a_hot_processor():
    governor = Governor(80)
    judge(governor, 1, Board(temperature_c=50, apex_c=79))
    assert governor.reason == "79 degrees"


def test_word_of_the_firmware_counts():
    governor = Governor(80)
    judge(governor, 1, Board(temperature_c=50, throttled=0b101))
    assert governor.reason == (
        "the firmware says that the voltage is too low, it is throttled"
    )
    # What was once, since the start, does not.
    other = Governor(80)
    judge(other, 5, Board(temperature_c=50, throttled=0x50000))
    assert other.limit_fps is None


def test_slow_inference_stands_in_where_nothing_is_known():
    governor = Governor(80)
    judge(governor, 3, Board())
    assert judge(governor, 1, Board(), work_ms=14.9) is None
    assert judge(governor, 2, Board(), work_ms=16) is None
    assert judge(governor, 9, Board(), work_ms=16) == 15
    assert governor.reason == "inference takes 1.6 times its least processor time"
    assert judge(governor, 9, Board(), work_ms=11) is None


def test_slow_inference_of_a_cool_or_busy_board_is_no_heat():
    governor = Governor(80)
    for board in (Board(temperature_c=40), Board(throttled=0), Board(load=1.1)):
        judge(governor, 2, board)
        judge(governor, 9, board, work_ms=50)
    assert governor.limit_fps is None


def test_work_of_another_model_is_not_held_against_the_former_one():
    governor = Governor(80)
    judge(governor, 3, Board())
    governor.forget_work()
    assert judge(governor, 9, Board(), work_ms=50) is None
    assert judge(governor, 3, Board(), work_ms=80) is not None


def test_inference_that_stays_slow_becomes_normal():
    governor = Governor(80)
    judge(governor, 1, Board())
    assert judge(governor, 29, Board(), work_ms=30) is not None
    assert judge(governor, 20, Board(), work_ms=30) is None
