"""The loop is held back by --max_fps and by heat, and let go when told to stop."""

import logging
import threading
import time

import pytest

from corallite.device.board.sensors import Board
from corallite.device.engine.base import Status
from corallite.device.loop.rate_limit import Pace, look_at_board
from corallite.device.loop.thermal import Governor

ON_CPU = Status("model", "1", "cpu")
ON_TPU = Status("model", "1", "edgetpu")


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
        pace.note_work(0.0125, ON_CPU)
        return pace.limit_fps is not None

    wait_until(is_limited)
    status = pace.status()
    assert (status.board, status.reason) == (board[0], "79 degrees")
    assert status.lowered >= 1 and status.fps > 0
    board[0] = Board(temperature_c=40)
    wait_until(lambda: pace.limit_fps is None)
    assert "frames/s: 79 degrees." in caplog.text
    assert "As many frames/s again as before." in caplog.text


@pytest.fixture
def judged(start, wait_until):
    """A function that works on as told, and returns what the governor was then told.

    That is the work in milliseconds, and "forget" for each time it was to forget.
    """

    def judge(*works):
        told = []

        class Listening(Governor):
            def judge(self, board, fps, work_ms):
                told.append(work_ms)

            def forget_work(self):
                told.append("forget")

        pace = start(governor=Listening(80), look=Board, period_s=0.01)
        for processor_s, status in works:
            seen = len(told)
            pace.note_work(processor_s, status)
            # The look that is under way may be too early.
            wait_until(lambda seen=seen: len(told) >= seen + 2)
        return [entry for entry in told if entry is not None]

    return judge


def test_governor_is_told_the_processor_time_of_inferences_on_the_cpu(judged):
    assert judged((0.010, ON_CPU), (0.030, ON_CPU)) == ["forget", 30.0]
    assert judged((0.001, ON_TPU), (0.002, ON_TPU)) == ["forget"]


def test_another_processor_or_model_starts_afresh(judged):
    swapped = Status("model", "2", "cpu", swaps=1)
    works = [(0.001, ON_TPU), (0.030, ON_CPU), (0.031, ON_CPU), (0.060, swapped)]
    assert judged(*works) == ["forget", "forget", 31.0, "forget"]


def test_this_board_can_be_looked_at():
    assert look_at_board().load is not None
