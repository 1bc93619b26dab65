"""Networks are as large as the limits allow, and never larger."""

import itertools
import random

import pytest

from corallite.convert.search.space.candidates import FAMILIES, Space
from corallite.convert.search.space.interpolate import list_measured
from corallite.convert.search.space.prices import Prices
from corallite.convert.search.space.shape import RandomChoices
from corallite.device.benchmark.layers.latency_table import LatencyTable
from corallite.device.system.errors import RequestError
from corallite.optimize.slim.budget import Budget
from corallite.optimize.slim.operator_costs import count_macs

SPACE = Space(tuple(FAMILIES), (32,), 10)
BUDGET = Budget(max_bytes=98_496, max_macs=12.5e6)


def draw(space, prices, count, **settings):
    return list(itertools.islice(space.draw(prices, **settings), count))


def test_no_network_is_above_a_limit_and_most_use_one_of_them():
    found = draw(SPACE, Prices(BUDGET), 30, least=1.0)
    assert {x.network.model for x in found} == {
        *("resnet8", "mobilenet_v2", "shufflenet_v2")
    }
    used = []
    for candidate in found:
        bytes_, macs = candidate.costs["bytes"], candidate.costs["macs"]
        assert bytes_ <= 98_496 and macs <= 12.5e6
        used.append(max(bytes_ / 98_496, macs / 12.5e6))
    # Widths are multiples of 4, so the last step is coarse for a network of few.
    assert sorted(used)[len(used) // 2] > 0.9


def test_a_latency_is_the_sum_of_the_table():
    prices = Prices(Budget(max_latency_ms=1.0))
    drawn = SPACE.draw_sizes(prices, 20)
    measured = list_measured(x for found in drawn for x in found.operators)
    times = {x.key: 1e-7 * count_macs(x) + 1e-3 for x in measured}
    table = LatencyTable("a board", "", milliseconds=times)
    for found in draw(SPACE, Prices(prices.budget, table), 5):
        assert 0 < found.costs["latency_ms"] <= 1.0


def test_a_shape_that_is_too_large_at_its_least_width_is_refused():
    family = FAMILIES["residual"]
    shape = family.suggest(RandomChoices(random.Random(0)))
    prices = Prices(Budget(max_macs=1000))
    assert SPACE.enlarge(family, shape, 32, prices) is None
    with pytest.raises(RequestError, match=r"within the limits; allow more .*--max_"):
        next(SPACE.draw(prices))


def test_published_networks_are_within_the_limits():
    (resnet,) = SPACE.list_hand_made(Prices(BUDGET))
    assert resnet.network.model == "resnet8"
    assert resnet.costs["macs"] <= 12.5e6
    larger = SPACE.list_hand_made(Prices(Budget(max_macs=300e6)))
    assert len(larger) == 3


def test_an_image_size_is_chosen_where_there_are_several():
    space = Space(("residual",), (32, 64), 3)
    found = draw(space, Prices(Budget(max_macs=20e6)), 20)
    assert {x.network.size_hw for x in found} == {(32, 32), (64, 64)}
    assert {x.network.model for x in found} == {"resnet8", "resnet18"}
