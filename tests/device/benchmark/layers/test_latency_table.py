"""Latency tables and lists of operators: sums, files, and what is refused."""

import json
from dataclasses import replace

import pytest
from fixtures.operators import SAMPLES

from corallite.device.benchmark.layers.latency_table import (
    LatencyTable,
    read_operators,
    read_table,
    write_table,
)
from corallite.device.benchmark.layers.operator import Operator
from corallite.device.system.errors import RequestError

CONV = Operator("conv", 8, 8, (4,), 8)
DENSE = Operator("dense", 1, 1, (4,), 8)
TABLE = LatencyTable("a board", "ai-edge-litert 2.3.0", 2, "2026-11-30", {CONV.key: 2})


def test_network_takes_the_sum_of_its_operators():
    table = TABLE.with_times({DENSE.key: 0.25})
    assert table.lookup(CONV) == 2
    assert table.predict([CONV, DENSE, CONV]) == 4.25
    assert TABLE.missing([DENSE, CONV, DENSE]) == [DENSE]


def test_missing_operator_is_named():
    message = "dense 1x1x4>8: is not in the latency table of a board; measure it with"
    with pytest.raises(RequestError, match=message):
        TABLE.predict([CONV, DENSE])


def test_file_has_the_table(tmp_path):
    path = tmp_path / "board.json"
    for table in (TABLE, replace(TABLE, reference_ms=0.5)):
        write_table(table, path)
        assert read_table(path) == table
    assert json.loads(path.read_text())["milliseconds"] == {"conv 1x1/1 8x8x4>8": 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"machine": None}, "expected 'machine' to be of type str"),
        ({"threads": "2"}, "expected 'threads' to be of type int"),
        ({"milliseconds": []}, "expected 'milliseconds' to be of type dict"),
        ({"milliseconds": {"a": "1"}}, "expected a number of ms at 'a', got '1'"),
        ({"milliseconds": {"a": -1}}, "expected a number of ms at 'a', got -1"),
        ({"milliseconds": {"a": float("nan")}}, "expected a number of ms at 'a'"),
        ({"milliseconds": {"a": True}}, "expected a number of ms at 'a'"),
        ({"reference_ms": "x"}, "expected a number of ms at 'reference_ms'"),
    ],
)
def test_damaged_table_is_reported_in_one_sentence(tmp_path, changes, message):
    path = tmp_path / "board.json"
    write_table(TABLE, path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(RequestError, match=f"board.json: is not a latency .*{message}"):
        read_table(path)


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 9999, "\x00", '{"a": 1}'])
def test_other_file_is_refused(tmp_path, text):
    path = tmp_path / "board.json"
    path.write_text(text)
    with pytest.raises(RequestError, match=r"board.json: is not a latency table \(.*;"):
        read_table(path)


def test_missing_file_is_reported(tmp_path):
    for read in (read_table, read_operators):
        with pytest.raises(RequestError, match="none.json: cannot be read"):
            read(tmp_path / "none.json")


def test_list_of_operators_is_read(tmp_path):
    path = tmp_path / "layers.json"
    path.write_text(json.dumps([each.to_json() for each in SAMPLES]))
    assert read_operators(path) == SAMPLES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "expected a list"),
        ('[{"kind": "conv"}]', "lacks a field"),
        ("[", "Expecting"),
        ("[[]]", "an object"),
    ],
)
def test_other_list_is_refused(tmp_path, text, message):
    path = tmp_path / "layers.json"
    path.write_text(text)
    with pytest.raises(RequestError, match=f"layers.json: is not a list .*{message}"):
        read_operators(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"machine": "b"}, "its machine is b, not a board as here"),
        ({"runtime": "b"}, "its runtime is b, not ai-edge"),
        ({"threads": 4}, "its number of threads is 4, not 2 as here"),
    ],
)
def test_times_of_two_machines_are_not_mixed(changes, message):
    with pytest.raises(RequestError, match=f"board.json: {message}.*; give another"):
        TABLE.require_same(replace(TABLE, **changes), "board.json")
    TABLE.require_same(TABLE.with_times({}), "board.json")
