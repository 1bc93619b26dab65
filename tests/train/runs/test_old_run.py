"""A run folder made before stages named their parents.

`tests/data/old_run.tar.xz` holds all stages of the network of `small_run`, on 42 images
of squares, as the commit before the run graph (8e17f2e) made them.
"""

import tarfile
from pathlib import Path

import pytest
from fixtures.small_run import open_run

from corallite.convert.accuracy.measure_file import recall_comparison
from corallite.convert.evaluate.stages import evaluate_run
from corallite.convert.export.convert import convert
from corallite.convert.export.plan import Request
from corallite.convert.report.write import write_report
from corallite.train.runs.run import Run

_ARCHIVE = Path(__file__).parents[2] / "data" / "old_run.tar.xz"
NAMES = ["float", "pruned", "qat", "int8"]


@pytest.fixture
def run_dir(tmp_path):
    with tarfile.open(_ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "run"


def test_its_stages_are_found_by_their_hashes(run_dir):
    run = Run.open(run_dir)
    stages = run.stages()
    assert [stage.name for stage in stages] == NAMES
    assert run.lineage(stages[-1]) == stages
    assert stages[1].command() == (
        f"corallite prune --run_dir={run_dir} --sparsity=0.1 --epochs=2 "
        "--batch_size=16 --learning_rate=0.002 --augment=none"
    )


@pytest.mark.slow
def test_it_is_evaluated_reported_and_converted_again(run_dir):
    run, data = open_run(run_dir)
    results = evaluate_run(run, data)
    assert [result.stage for result in results] == NAMES
    known = recall_comparison(run, data)
    assert known is not None and known.passed
    page = write_report(run, data).read_text("utf-8")
    assert all(stage.sha256() in page for stage in run.stages())
    # Done already, from the same inputs as it recorded.
    before = run.stage("int8").metrics()
    assert convert(run, data).metrics() == before
    stage = convert(run, data, Request(source="pruned", max_drop=50.0, overwrite=True))
    assert [x.name for x in run.lineage(stage)] == ["float", "pruned", "int8"]
    assert stage.metrics()["parent"] == "pruned"
