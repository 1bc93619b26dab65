"""What a search prints and shows."""

import dataclasses
from pathlib import Path

import pytest

from corallite.convert.search.check import Check
from corallite.convert.search.final import Final
from corallite.convert.search.plan import Plan
from corallite.convert.search.results import (
    Outcome,
    find_frontier,
    format_outcome,
    write_page,
)
from corallite.convert.search.study import TrialResult, find_best
from corallite.device.system.errors import RequestError
from corallite.optimize.slim.budget import Budget
from corallite.train.models.network import Network
from corallite.train.models.networks.resnet import configure_resnet8

COSTS = {"macs": 12.1e6, "bytes": 83_686, "latency_ms": 0.5}
NETWORK = Network("resnet8", 1.0, (32, 32), config=configure_resnet8(1.0))


def make_trial(number, accuracy, macs, *, is_whole=True, width=1.0):
    network = dataclasses.replace(NETWORK, config=configure_resnet8(width))
    costs = {**COSTS, "macs": macs}
    return TrialResult(number, network, costs, accuracy, 9, is_whole, number == 0)


TRIALS = [
    make_trial(0, 0.70, 4e6, width=0.5),
    make_trial(1, 0.65, 5e6, width=0.75),
    make_trial(2, 0.80, 9e6, width=0.9),
    make_trial(3, 0.99, 3e6, is_whole=False),
]
GOOD = Check({"bytes": [0.01] * 19 + [0.2], "latency_ms": [-0.05] * 20})


def make_plan(folder, **settings):
    budget = Budget(max_latency_ms=1.0, max_macs=12.5e6)
    fields = {"budget": budget, "families": ("residual",), "sides": (32,), **settings}
    return Plan(Path("photos"), folder, **fields)


def test_only_whole_trials_that_none_beats_are_on_the_frontier():
    assert find_frontier(TRIALS, "macs") == [(4e6, 0.70), (9e6, 0.80)]


def test_the_best_are_whole_trials_of_different_networks():
    twin = dataclasses.replace(TRIALS[2], number=4)
    best = find_best([*TRIALS, twin], 3)
    assert [x.number for x in best] == [2, 0, 1]


def test_a_check_allows_one_network_above_ten_percent():
    assert GOOD.is_good()
    assert not Check({"bytes": [0.01] * 18 + [0.2, -0.2]}).is_good()
    line = GOOD.list_lines()[0]
    assert "within 10% of the measured one for 19 of 20 random networks" in line


def test_the_text_fits_a_terminal_and_says_what_failed(tmp_path):
    files = {"bytes": 83_000.0, "latency_ms": 0.47}
    final = Final(2, "best/trial2", files, 0.893, 0.887, (0.88, 0.893))
    failed = Final(
        0, "best/trial0", fault="its file has 99,000 bytes, more than 98,496"
    )
    outcome = Outcome(TRIALS, [final, failed], GOOD, [1])
    text = format_outcome(outcome, make_plan(tmp_path))
    assert max(map(len, text.splitlines())) <= 80
    assert "int8 test accuracy 88.70 % (88.0-89.3), validation 89.30 %" in text
    assert "measured: 83,000 bytes, 0.470 ms" in text
    assert "no result: its file has 99,000 bytes" in text
    assert "published resnet8" in text and "another process" in text

    page = write_page(outcome, make_plan(tmp_path)).read_text("utf-8")
    # One picture for each limit.
    assert page.count("<svg") == 2
    assert "88.70 %" in page and "within 10% of the measured" in page


def test_latencies_of_a_board_are_said_not_to_be_checked(tmp_path):
    board = Budget(max_latency_ms=1.0, board=str(tmp_path / "pi.json"))
    outcome = Outcome(TRIALS, [], Check({"bytes": [0.0] * 20}), [])
    text = format_outcome(outcome, make_plan(tmp_path, budget=board))
    assert "were not checked; measure the files" in " ".join(text.split())


def test_a_folder_keeps_the_settings_of_its_search(tmp_path):
    plan = make_plan(tmp_path)
    plan.require_same()
    plan.record()
    dataclasses.replace(plan, trials=7, hours=1.0).require_same()
    with pytest.raises(RequestError, match=r"trial_epochs 9, now 3\); give another"):
        dataclasses.replace(plan, trial_epochs=3).require_same()
