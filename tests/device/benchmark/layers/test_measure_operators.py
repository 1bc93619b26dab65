"""A measurement: what it has measured, and the factors. No time decides a test."""

import numpy as np
import pytest
from fixtures.operators import SAMPLES

from corallite.device.benchmark.layers import measure_operators as module
from corallite.device.benchmark.layers.latency_table import LatencyTable
from corallite.device.benchmark.layers.list_operators import list_operators
from corallite.device.benchmark.layers.measure_operators import (
    Measurement,
    measure_operators,
)
from corallite.device.benchmark.layers.operator import Operator
from corallite.device.benchmark.layers.operator_file import write_operators

CONV = Operator("conv", 8, 8, (8,), 8)
ADD = Operator("add", 8, 8, (8, 8), 8)


@pytest.mark.parametrize("threads", [1, 2])
def test_every_kind_is_measured(threads):
    table = measure_operators(SAMPLES, threads=threads)
    assert table.threads == threads
    assert set(table.milliseconds) == {each.key for each in SAMPLES}
    assert all(0 < ms < 60_000 for ms in table.milliseconds.values())
    assert table.predict(list_operators(write_operators(SAMPLES))) > 0


def test_measured_operators_are_kept():
    former = LatencyTable.of_this_machine().with_times({CONV.key: 7.0})
    measurement = Measurement(former, [CONV, ADD, ADD])
    assert measurement.total == 1
    assert measurement.table() == former
    assert list(measurement.run()) == [1, 1]
    table = measurement.table()
    assert table.milliseconds[CONV.key] == 7 and ADD.key in table.milliseconds


def test_measurement_that_is_stopped_has_what_it_measured():
    convs = [Operator("conv", 4, 4, (8,), n) for n in range(8, 8 * 60, 8)]
    measurement = Measurement(LatencyTable.of_this_machine(), convs)
    done = next(measurement.run())
    assert 0 < done < measurement.total == len(convs)
    assert len(measurement.table().milliseconds) == done


def test_nothing_is_measured_without_operators():
    measurement = Measurement(LatencyTable.of_this_machine(), [])
    assert list(measurement.run()) == []
    assert measurement.table().milliseconds == {}


def test_factors_explain_the_networks():
    rng = np.random.default_rng(0)
    alone = {Operator("conv", 8, 8, (8,), n): n / 9 for n in range(1, 40)}
    alone |= {Operator("add", n, n, (8, 8), 8): n / 7 for n in range(1, 40)}
    true = {"conv (1, 1)": 1.2, "add": 0.9}
    operators = list(alone)
    networks = []
    for _ in range(40):
        chosen = [operators[i] for i in rng.choice(len(operators), 20, replace=False)]
        time = sum(alone[each] * true[module._group(each)] for each in chosen)
        networks.append(module._Network(chosen, time))
    assert module._fit_factors(alone, networks) == pytest.approx(true, abs=0.02)
    # A single network cannot tell them apart.
    one = module._fit_factors(alone, networks[:1])
    ratio = networks[0].time / sum(alone[each] for each in networks[0].operators)
    assert one == pytest.approx({"add": ratio, "conv (1, 1)": ratio})
