"""Sensors of fake boards, made of files."""

import os

import pytest

from corallite.device.board.sensors import Board, name_throttling, read_board


@pytest.fixture
def root(tmp_path):
    """A function that writes the files of a board."""

    def root(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return root


def test_missing_sensors_are_none(tmp_path):
    assert read_board(tmp_path) == Board() and Board().hottest_c is None


def test_raspberry_pi_is_read(root, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    files = {
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "48312\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
        "proc/loadavg": "5.00 0.80 0.50 2/345 6789\n",
    }
    assert read_board(root(files)) == Board(48.312, None, 0x50005, 1500.0, 1.25)


def test_temperature_is_that_of_the_hottest_processor_zone(root):
    files = {
        "sys/class/thermal/thermal_zone0/type": "battery",
        "sys/class/thermal/thermal_zone0/temp": "99000",
        "sys/class/thermal/thermal_zone1/type": "cpu0-thermal",
        "sys/class/thermal/thermal_zone1/temp": "51000",
        "sys/class/thermal/thermal_zone2/type": "cpu1-thermal",
        "sys/class/thermal/thermal_zone2/temp": "53000",
        "sys/class/apex/apex_0/temp": "61800",
    }
    board = read_board(root(files))
    assert (board.temperature_c, board.apex_c, board.hottest_c) == (53, 61.8, 61.8)


def test_unreadable_zone_is_none(root):
    files = {"sys/class/thermal/thermal_zone0/temp": "error"}
    assert read_board(root(files)).temperature_c is None


def test_throttling_is_named():
    assert name_throttling(0x50000) == []
    assert name_throttling(0b1010) == [
        "the frequency is capped",
        "it is at its temperature limit",
    ]
