"""The rate limiter: --max_fps, the temperature, and stopping."""

import logging
import threading
import time

import pytest

from corallite.device.board.sensors import Board
from corallite.device.loop.policy import Choice, PolicyThrottle, RulePolicy
from corallite.device.loop.rate_limit import RateLimiter, read_this_board
from corallite.device.loop.thermal import ThermalThrottle


@pytest.fixture
def start(wait_until):
    """A function that makes a rate limiter, which is closed at the end."""
    limiters = []

    def start(*arguments, **options):
        limiters.append(RateLimiter(*arguments, **options))
        return limiters[-1]

    yield start
    for limiter in limiters:
        limiter.close()
    wait_until(lambda: "rate limiter" not in [t.name for t in threading.enumerate()])


def test_without_a_limit_there_is_no_delay(start):
    limiter, stop = start(), threading.Event()
    for _ in range(1000):
        limiter.wait(stop)
    assert limiter.status().limit_fps is None


def test_max_fps_is_not_exceeded(start):
    limiter, stop = start(max_fps=100), threading.Event()
    limiter.wait(stop)
    start_s = time.monotonic()
    for _ in range(20):
        limiter.wait(stop)
    # One late frame may have been made up for.
    assert time.monotonic() - start_s >= 0.18


def test_stop_ends_a_long_wait_that_feeds_the_watchdog(start):
    limiter, stop = start(max_fps=0.001), threading.Event()
    limiter.on_wait = stop.set
    limiter.wait(stop)
    limiter.wait(stop)
    assert stop.is_set()


def test_hot_board_lowers_the_rate_until_it_is_cool(start, wait_until, caplog):
    caplog.set_level(logging.INFO, "absl")
    board = [Board(temperature_c=79)]
    limiter = start(
        throttle=ThermalThrottle(80), read_sensors=lambda: board[0], period_s=0.01
    )
    is_stopped = threading.Event()
    is_stopped.set()  # No delay: only the frames are counted.

    statuses = []

    def is_limited():
        limiter.wait(is_stopped)
        statuses.append(limiter.status())
        return statuses[-1].limit_fps is not None and statuses[-1].fps > 0

    wait_until(is_limited)
    status = statuses[-1]
    assert (status.board, status.reason) == (board[0], "79 degrees")
    assert status.lowered >= 1
    assert "frames/s: 79 degrees." in caplog.text
    board[0] = Board(temperature_c=40)
    wait_until(lambda: limiter.limit_fps is None)
    assert "The frame rate is unlimited again." in caplog.text


def test_each_choice_of_a_policy_is_logged_once(start, wait_until, caplog):
    caplog.set_level(logging.INFO, "absl")
    choices = Choice("first", 2, 20, 2.7, 0.76), Choice("both", 20, 32, 5.4, 0.85)
    throttle = PolicyThrottle(choices, RulePolicy(2, 80), 80)
    reads = []

    def read():
        reads.append(0)
        return Board(temperature_c=81)

    limiter = start(throttle=throttle, read_sensors=read, period_s=0.01)
    assert (limiter.status().model, limiter.status().limit_fps) == ("both", 20)
    wait_until(lambda: limiter.status().model == "first")
    done = len(reads)
    wait_until(lambda: len(reads) > done + 5)
    assert caplog.text.count("At most 2.0 frames/s: the policy chose first, 81") == 1
    assert "unlimited" not in caplog.text


def test_status_is_replaced_as_a_whole(start, wait_until):
    boards = [Board(temperature_c=79), Board(temperature_c=40)]
    looks = []

    def read_sensors():
        looks.append(0)
        return boards[len(looks) % 2]

    limiter = start(
        throttle=ThermalThrottle(80), read_sensors=read_sensors, period_s=0.0001
    )
    is_stopped = threading.Event()
    is_stopped.set()
    while len(looks) < 300:
        limiter.wait(is_stopped)
        status = limiter.status()
        assert (status.limit_fps is None) == (status.reason == "")


def test_sensors_of_this_board_can_be_read():
    assert read_this_board().load is not None
