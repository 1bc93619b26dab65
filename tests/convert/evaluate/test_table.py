"""The table fits a terminal and lines up, whatever it has to show."""

import pytest

from corallite.convert.evaluate.metrics import Evaluation, StageResult
from corallite.convert.evaluate.table import format_table


def result(stage="int8", top1=0.9321, low=0.927, high=0.937, latency=0.312, size=1234):
    evaluation = Evaluation(
        images=10_000,
        top1=top1,
        top1_interval=(low, high),
        top5=1.0,
        top5_interval=(0.99, 1.0),
        calibration_error=0.01,
        calibration=[],
        confusion=[[1]],
        mistakes=[],
        coverage=[],
        latency_p50_ms=latency,
    )
    return StageResult(stage, evaluation, 0.5, "int8/x.tflite", size, size)


SMALL = [result("float"), result("pruned"), result()]
LARGE = [
    result("pruned", 1.0, 0.999, 1.0, 1234.5678, 99_999_999),
    result("qat", 0.0, 0.0, 0.001, None, None),
]


@pytest.mark.parametrize("results", [SMALL, LARGE, LARGE + SMALL])
def test_lines_are_equally_long_and_at_most_80(results):
    lines = format_table(results).split("\n")
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 80


@pytest.mark.parametrize("results", [SMALL, LARGE])
def test_columns_line_up(results):
    lines = format_table(results).split("\n")
    bars = [[i for i, x in enumerate(line) if x == "|"] for line in lines]
    assert all(positions == bars[0] for positions in bars)


def test_numbers_are_those_of_the_result():
    line = format_table([result()]).split("\n")[2]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    expected = ["int8", "93.21", "92.7-93.7", "1,234", "1,234", "0.500", "0.312"]
    assert cells == expected


def test_what_is_not_there_is_a_dash():
    line = format_table(LARGE).split("\n")[3]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert [cells[3], cells[4], cells[6]] == ["-", "-", "-"]
