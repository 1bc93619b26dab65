"""The report of a real run."""

import datetime
import json
import re
import subprocess
import sys

import pytest
from fixtures.small_run import open_run

from corallite.convert.evaluate.stages import evaluate_run
from corallite.convert.report.write import REPORT_FILE, write_report
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.record import hash_file
from corallite.train.runs.run import Run

pytestmark = pytest.mark.slow
DATE = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.timezone.utc)


def test_a_run_is_reported_with_all_stages(small_run, squares_dir):
    path = write_report(*open_run(small_run), made=DATE)
    page = path.read_text(encoding="utf-8")
    assert path == small_run / REPORT_FILE
    for result in evaluate_run(*open_run(small_run)):
        assert f"{100 * result.evaluation.top1:.2f}" in page
        if result.file_bytes:
            assert f"<td>{result.file_bytes:,}</td>" in page
    for name in ("float", "pruned", "qat"):
        assert hash_file(Run.open(small_run).stage(name).model_path) in page
        assert f">{name}: loss</text>" in page
    # No folder of this machine, but for the run's as it was given.
    assert str(squares_dir.parent) not in page.replace(str(small_run), "")
    assert path.stat().st_size < 1_500_000
    assert write_report(*open_run(small_run), made=DATE).read_text("utf-8") == page


def test_a_float_model_alone_is_reported(small_copy):
    for name in ("pruned", "qat", "int8"):
        Run.open(small_copy).stage(name).discard()
    page = write_report(*open_run(small_copy), made=DATE).read_text("utf-8")
    assert "There is only the float stage so far" in page
    assert len(re.findall("There is no int8 file yet", page)) == 2


def test_a_comparison_of_another_file_is_left_out(small_copy):
    path = small_copy / "int8" / "parity.json"
    parity = json.loads(path.read_text())
    page = write_report(*open_run(small_copy)).read_text("utf-8")
    assert "Not proven: with 18 images, the loss may be" in page
    files.write_json(path, {**parity, "file_sha256": "0" * 64})
    page = write_report(*open_run(small_copy)).read_text("utf-8")
    assert "The accuracy of this conversion was not compared" in page


def test_a_damaged_comparison_is_refused(small_copy):
    files.write_json(small_copy / "int8" / "parity.json", {"part": "val"})
    with pytest.raises(RequestError, match=r"parity\.json is damaged.*`corallite con"):
        write_report(*open_run(small_copy))


@pytest.mark.parametrize(
    "record",
    ["int8/parity.json", "int8/evaluation_test.json", "cache/preprocessing.json"],
)
def test_a_deeply_nested_record_is_refused(small_copy, record):
    files.write_text(small_copy / record, "[" * 100_000 + "]" * 100_000)
    with pytest.raises(RequestError, match=rf"{record} is damaged.*64 levels"):
        write_report(*open_run(small_copy))


@pytest.mark.parametrize(
    ("record", "lost"),
    [("int8/metrics.json", "inputs"), ("run.json", "network")],
)
def test_a_damaged_record_is_refused(small_copy, record, lost):
    content = json.loads((small_copy / record).read_text())
    content[lost].popitem()
    content[lost].pop("source", None)
    files.write_json(small_copy / record, content)
    with pytest.raises(RequestError, match=rf"{record} is damaged"):
        write_report(*open_run(small_copy))


def test_a_run_without_its_record_is_told_how_to_make_it(small_copy):
    (small_copy / "run.json").unlink()
    with pytest.raises(RequestError, match="is not a run folder; .*corallite train"):
        write_report(*open_run(small_copy))


_WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = sys.modules["tf_keras"] = None
sys.argv[0] = "report"
import runpy
runpy.run_module("corallite.convert.cli.report_main", run_name="__main__")
"""


def test_a_measured_run_is_reported_without_tensorflow(small_run):
    write_report(*open_run(small_run))
    command = [sys.executable, "-c", _WITHOUT_TENSORFLOW, f"--run_dir={small_run}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == f"{small_run / REPORT_FILE}\n", done.stderr


def test_the_program_prints_the_path_and_refuses_what_is_no_run(
    programs, small_run, tmp_path
):
    done = programs.run("report", f"--run_dir={small_run}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{small_run / REPORT_FILE}\n"
    done = programs.run("report", f"--run_dir={tmp_path / 'none'}")
    assert done.returncode == 2
    assert "corallite train" in done.stderr
    assert "Traceback" not in done.stderr
