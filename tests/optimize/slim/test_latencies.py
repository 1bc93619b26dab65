"""What is measured here is measured once, and again on another machine."""

import dataclasses

import pytest

from corallite.device.benchmark.layers.latency_table import (
    LatencyTable,
    read_table,
    write_table,
)
from corallite.device.benchmark.layers.operator import Operator
from corallite.optimize.slim.latencies import find_latencies, hash_latencies

OPERATORS = [
    Operator("conv", 8, 8, (8,), 8, kernel=(1, 1), strides=(1, 1), padding="same"),
    Operator("softmax", 1, 1, (3,), 3),
]


def test_operators_are_measured_once_on_each_machine(tmp_path):
    found = find_latencies(OPERATORS, None, tmp_path)
    assert all(found.lookup(x) > 0 for x in OPERATORS)
    path = tmp_path / "latencies.json"
    content = path.read_bytes()
    find_latencies(OPERATORS, None, tmp_path)
    assert path.read_bytes() == content

    write_table(dataclasses.replace(found, machine="another machine"), path)
    again = find_latencies(OPERATORS, None, tmp_path)
    assert again.machine == read_table(path).machine == found.machine


@pytest.fixture
def board(tmp_path):
    return tmp_path / "board.json"


def test_only_the_latencies_of_the_operators_count(board):
    def hash_with(**more):
        times = {x.key: 1.0 for x in OPERATORS}
        table = LatencyTable("a board", "litert", milliseconds=times | more)
        write_table(table, board)
        return hash_latencies(OPERATORS, str(board))

    first = hash_with()
    assert hash_with(another=5.0) == first
    assert hash_with(**{OPERATORS[0].key: 2.0}) != first
