"""The tables of docs/runtimes.md: what is measured, and where it is written."""

import dataclasses
import importlib
from pathlib import Path

import pytest
from fixtures.small_run import open_run

from corallite.device.system.errors import RequestError

FOLDER = Path(__file__).parents[3] / "benchmarks" / "targets"
pytestmark = pytest.mark.slow


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return [importlib.import_module(x) for x in ("measure_targets", "format_page")]


def test_each_file_is_compared_with_its_source_and_written(small_copy, modules):
    from corallite.convert.export.convert import convert

    measure_targets, format_page = modules
    run, data = open_run(small_copy)
    convert(run, data, target="tflite_float")
    rows = measure_targets.measure(run, data)
    assert [(row.name, row.source) for row in rows] == [
        ("int8", "qat"),
        ("tflite_float", "pruned"),
    ]
    int8, exact = rows
    # Float32 sums in another order; the temperature of the manifest is left out.
    assert exact.agreement == 1 and exact.largest < 1e-5
    assert 0.8 < int8.top1 <= 1 and int8.p50_ms > 0
    assert int8.file_bytes == run.stage("int8").model_path.stat().st_size
    assert measure_targets.find_faults(rows) == []
    worse = [int8, dataclasses.replace(exact, agreement=0.998)]
    assert measure_targets.find_faults(worse) == [
        "tflite_float: 99.80 % of labels agree."
    ]
    other = dataclasses.replace(exact, name="onnx_int8", top1=int8.top1 - 0.004)
    assert measure_targets.find_faults([int8, other]) == [
        "onnx_int8: 0.40 points below int8."
    ]
    # Not measured anew.
    assert measure_targets.measure(run, data) == rows
    page = f"before\n{format_page.BEGIN}\nold\n{format_page.END}\nafter\n"
    table = format_page.format_table(run, rows)
    written = format_page.fill_in(page, [table], Path("page.md"))
    assert "old" not in written and written.startswith("before\n")
    assert written.endswith("after\n")
    assert "### shufflenet_v2 0.25x, 32 pixels" in written
    assert f"| `int8` | qat | {int8.file_bytes:,} |" in written
    # Written twice, it is the same.
    assert format_page.fill_in(written, [table], Path("page.md")) == written


def test_a_page_without_a_place_is_refused(modules):
    _, format_page = modules
    with pytest.raises(RequestError, match=r"page\.md: has no lines"):
        format_page.fill_in("text", ["table"], Path("page.md"))
