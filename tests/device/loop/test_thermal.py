"""The thermal throttle on boards that heat up and cool down."""

import pytest

from corallite.device.board.sensors import Board
from corallite.device.loop.thermal import ThermalThrottle


@pytest.fixture
def throttle():
    return ThermalThrottle(80)


def update(throttle, periods, board, fps=30.0):
    """Runs so many periods at `fps`, or at the limit if it is lower."""
    for _ in range(periods):
        limit_fps = throttle.limit_fps
        throttle.update(board, fps if limit_fps is None else min(fps, limit_fps))


def test_cool_board_has_no_limit(throttle):
    update(throttle, 20, Board(temperature_c=76.9))
    assert (throttle.limit_fps, throttle.reason, throttle.lowered) == (None, "", 0)


def test_rate_is_lowered_before_the_limit_and_again_while_it_stays_hot(throttle):
    update(throttle, 1, Board(temperature_c=77.0))
    assert throttle.limit_fps == pytest.approx(24)
    assert throttle.reason == "77 degrees"
    update(throttle, 1, Board(temperature_c=78.0))
    assert throttle.limit_fps == pytest.approx(19.2) and throttle.lowered == 2


def test_rate_is_never_lowered_below_one_frame_per_second(throttle):
    update(throttle, 50, Board(temperature_c=90))
    assert throttle.limit_fps == 1


def test_limit_is_never_above_a_slow_source(throttle):
    update(throttle, 5, Board(temperature_c=90), fps=0.5)
    assert throttle.limit_fps == 0.5


def test_source_without_frames_has_no_limit(throttle):
    update(throttle, 5, Board(temperature_c=90), fps=0)
    assert throttle.limit_fps is None


def test_rate_is_constant_between_the_thresholds_and_raised_below_both(throttle):
    update(throttle, 2, Board(temperature_c=78))
    update(throttle, 9, Board(temperature_c=74))
    assert throttle.limit_fps == pytest.approx(19.2)
    update(throttle, 1, Board(temperature_c=71.9))
    assert throttle.limit_fps == pytest.approx(21.12)
    update(throttle, 4, Board(temperature_c=60))
    assert (throttle.limit_fps, throttle.reason) == (None, "")


def test_hot_edge_tpu_counts_like_a_hot_processor(throttle):
    update(throttle, 1, Board(temperature_c=50, apex_c=79))
    assert throttle.reason == "79 degrees"


def test_throttling_by_the_firmware_lowers_the_rate(throttle):
    update(throttle, 1, Board(temperature_c=50, throttled=0b101))
    assert throttle.reason == (
        "the firmware says that the voltage is too low, it is throttled"
    )


def test_past_throttling_by_the_firmware_is_ignored(throttle):
    update(throttle, 5, Board(temperature_c=50, throttled=0x50000))
    assert throttle.limit_fps is None


def test_board_without_sensors_has_no_limit(throttle):
    update(throttle, 5, Board(load=4.0))
    assert throttle.limit_fps is None
