"""How predicted costs are compared with those of whole files."""

import pytest

from corallite.convert.search.check import CALIBRATING, COUNT, Check, calibrate
from corallite.convert.search.space.prices import Prices
from corallite.device.benchmark.layers.latency_table import LatencyTable
from corallite.device.benchmark.layers.operator import Operator
from corallite.optimize.slim.budget import Budget

# What the operators take alone, and what the files take.
SUMS = [1 + 0.1 * x for x in range(CALIBRATING + COUNT)]


def test_what_all_networks_take_longer_is_no_error():
    check = calibrate({"bytes": [0.0]}, SUMS, [1.07 * x for x in SUMS])
    assert check.latency_factor == pytest.approx(1.07, abs=1e-4)
    assert check.errors["latency_ms"] == pytest.approx([0] * COUNT, abs=1e-4)


def test_one_disturbed_network_does_not_change_the_factor():
    times = [9 * SUMS[0], *(1.07 * x for x in SUMS[1:])]
    assert calibrate({}, SUMS, times).latency_factor == pytest.approx(1.07, abs=1e-4)


def test_networks_that_are_checked_do_not_choose_the_factor():
    times = [*SUMS[:CALIBRATING], *(2 * x for x in SUMS[CALIBRATING:])]
    check = calibrate({}, SUMS, times)
    assert check.latency_factor == 1
    assert check.errors["latency_ms"] == [-0.5] * COUNT


def test_the_factor_is_part_of_a_price():
    operator = Operator("softmax", 1, 1, (3,), 3)
    table = LatencyTable("here", "litert", milliseconds={operator.key: 2.0})
    prices = Prices(Budget(max_latency_ms=5), table, latency_factor=1.5)
    assert prices.add_up([operator])["latency_ms"] == 3


def test_a_search_from_before_there_was_a_factor_has_none():
    errors = {"latency_ms": [0.0] * COUNT}
    assert Check.from_json({"errors": errors}) == Check(errors, 1.0)
