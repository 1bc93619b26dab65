"""Prices between measured widths."""

import math
from typing import Any

import pytest

from corallite.convert.search.space.interpolate import (
    WIDTHS,
    interpolate,
    list_corners,
    list_measured,
)
from corallite.device.benchmark.layers.latency_table import LatencyTable
from corallite.device.benchmark.layers.operator import Operator

SQUARE: dict[str, Any] = {"kernel": (3, 3)}
CONV = Operator("conv", 8, 8, (20,), 52, activation="relu", **SQUARE)
OPERATORS = (
    CONV,
    Operator("conv", 32, 32, (3,), 12, **SQUARE),
    Operator("depthwise", 8, 8, (20,), 20, strides=(2, 2), **SQUARE),
    Operator("dense", 1, 1, (100,), 10),
    Operator("softmax", 1, 1, (10,), 10),
    Operator("add", 8, 8, (20, 20), 20, activation="relu"),
    Operator("concat", 8, 8, (10, 20, 30), 60),
    Operator("slice", 8, 8, (40,), 10),
    Operator("pool", 8, 8, (100,), 100),
    Operator("max_pool", 8, 8, (20,), 20, strides=(2, 2), **SQUARE),
)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda x: x.key)
def test_shares_add_up_and_corners_have_measured_widths(operator):
    corners = list_corners(operator)
    assert sum(share for _, share in corners) == pytest.approx(1)
    fixed = {3, 10} | {sum(x.channels) for x, _ in corners if x.kind == "concat"}
    for corner, _ in corners:
        assert corner.out_channels in {*WIDTHS, *fixed}
        assert corner.kind == operator.kind
        assert corner.activation == "none"


def make_table(price):
    measured = list_measured(OPERATORS)
    return LatencyTable("a board", "", milliseconds={x.key: price(x) for x in measured})


def test_a_sum_of_widths_and_their_product_is_priced_exactly():
    def price(x):
        inputs, outputs = x.channels[0], x.out_channels
        return 0.3 + 0.02 * inputs + 0.05 * outputs + 0.001 * inputs * outputs

    expected = 0.3 + 0.02 * 20 + 0.05 * 52 + 0.001 * 20 * 52
    assert interpolate(make_table(price), CONV) == pytest.approx(expected)


def test_the_classes_and_the_image_are_not_interpolated():
    table = make_table(lambda x: x.out_channels * 100 + x.channels[0])
    stem, dense = OPERATORS[1], OPERATORS[3]
    assert interpolate(table, stem) == pytest.approx(1203)
    assert interpolate(table, dense) == pytest.approx(1100)


def test_what_was_not_measured_has_no_price():
    table = make_table(lambda x: 1.0)
    assert interpolate(table, Operator("conv", 9, 9, (20,), 52)) == math.inf
