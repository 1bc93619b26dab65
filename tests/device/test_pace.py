"""The loop is held back by --max_fps and by heat, and let go when told to stop."""

import logging
import threading
import time

import pytest

from corallite.device.board import Board
from corallite.device.classifier import Prediction
from corallite.device.governor import Governor
from corallite.device.loop import Result
from corallite.device.pace import Pace, look_at_board

RESULT = Result(0, 0.0, "x", [Prediction("cat", 1.0)], 12.5)


@pytest.fixture
def start():
    """A function that makes a pace, which is closed in the end."""
    paces = []

    def start(*arguments, **options):
        paces.append(Pace(*arguments, **options))
        return paces[-1]

    yield start
    for pace in paces:
        pace.close()
    assert not [t for t in threading.enumerate() if t.name == "pace" and t.is_alive()]


def test_without_a_limit_nothing_waits(start):
    pace, stop = start(), threading.Event()
    for _ in range(1000):
        pace.wait(stop)
    assert pace.status().limit_fps is None


def test_no_more_frames_come_than_asked_for(start):
    pace, stop = start(max_fps=100), threading.Event()
    pace.wait(stop)
    start_s = time.monotonic()
    for _ in range(20):
        pace.wait(stop)
    # One may have been made up for.
    assert time.monotonic() - start_s >= 0.18


def test_stop_ends_a_long_wait_of_which_the_watchdog_is_told(start):
    pace, stop = start(max_fps=0.001), threading.Event()
    pace.on_wait = stop.set
    pace.wait(stop)
    pace.wait(stop)
    assert stop.is_set()


def test_hot_board_lowers_the_rate_until_it_is_cool(start, wait_until, caplog):
    caplog.set_level(logging.INFO, "absl")
    board = [Board(temperature_c=79)]
    pace = start(governor=Governor(80), look=lambda: board[0], period_s=0.01)

    def is_limited():
        pace.put(RESULT)
        return pace.limit_fps is not None

    wait_until(is_limited)
    status = pace.status()
    assert (status.board, status.reason) == (board[0], "79 degrees")
    assert status.lowered >= 1 and status.fps > 0
    board[0] = Board(temperature_c=40)
    wait_until(lambda: pace.limit_fps is None)
    assert "frames/s: 79 degrees." in caplog.text
    assert "As many frames/s again as before." in caplog.text


def test_this_board_can_be_looked_at():
    assert look_at_board().load is not None
