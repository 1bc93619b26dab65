"""The stages of a run and how they hang together, without any model."""

import json
import subprocess
import sys

import pytest

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.run import Run
from corallite.train.runs.unused_stages import warn_of_unused_stages


@pytest.fixture
def run(tmp_path):
    return Run.open(tmp_path / "run")


def make(run, name, parent=None, **record):
    """Finishes a stage whose model is its name."""
    stage = run.stage(name)
    model_path = stage.path / (stage.kind.artifact or "model.x")
    files.write_bytes(model_path, name.encode())
    inputs = {"parent": parent.sha256()} if parent else {}
    stage.finish(inputs, record, parent)
    return stage


@pytest.fixture
def stages(run):
    """All kinds of a run, each made from the one before."""
    made = [make(run, "float")]
    for name in ("pruned", "qat", "int8", "edgetpu"):
        made.append(make(run, name, made[-1]))
    return made


def test_finished_stages_are_listed_parents_first(run, stages):
    assert run.stages() == stages
    assert run.first() == stages[0]
    assert [stage.parent() for stage in stages[1:]] == stages[:-1]
    assert run.lineage(stages[3]) == stages[:4]


def test_a_stage_that_skips_a_kind_has_a_shorter_lineage(run, stages):
    int8 = make(run, "int8", stages[0])
    files.write_bytes(int8.model_path, b"another")
    assert run.lineage(int8) == [stages[0], int8]
    # The Edge TPU file is of the former one, the qat stage is current still.
    assert run.stages() == [*stages[:3], int8]
    assert run.outdated_stages() == [stages[4]]


def test_what_was_made_from_a_replaced_model_is_not_listed(run, stages):
    files.write_bytes(stages[1].model_path, b"others")
    assert run.stages() == stages[:2]
    assert run.outdated_stages() == stages[2:]


def test_a_record_that_names_no_parent_is_resolved_by_the_hash(run, stages):
    for stage in stages:
        path = stage.path / "metrics.json"
        record = json.loads(path.read_text())
        record.pop("parent", None)
        files.write_json(path, record)
    assert run.stages() == stages
    assert run.lineage(stages[4]) == stages


def test_an_export_is_a_stage_of_its_own(run, stages):
    made = make(run, "exports/x", stages[1], files=["model.x"], runner="litert")
    assert made in run.stages()
    assert run.lineage(made) == [*stages[:2], made]
    assert made.model_path == run.path / "exports" / "x" / "model.x"
    assert made.runner() == "litert"


def test_the_latest_stage_is_the_deepest_that_was_begun(run):
    names = ("float", "pruned", "qat")
    assert run.latest(*names) == run.stage("float")
    first = make(run, "float")
    assert run.latest(*names) == first
    pruned = make(run, "pruned", first)
    assert run.latest(*reversed(names)) == pruned
    pruned.discard()
    assert run.latest(*names) == first


def test_a_folder_that_is_none_is_refused(tmp_path):
    (tmp_path / "run.txt").touch()
    with pytest.raises(RequestError, match="run.txt: is not a folder"):
        Run.open(tmp_path / "run.txt")


def test_a_folder_without_a_record_is_not_a_run(run):
    with pytest.raises(RequestError, match="is not a run folder; .*corallite train"):
        run.recall(dict)


def test_a_run_is_read_without_the_libraries_of_a_training():
    code = """
import sys
import corallite.train.runs.run
heavy = {"tensorflow", "tf_keras", "numpy", "cv2"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_a_later_stage_that_none_uses_is_reported(run, stages, caplog):
    warn_of_unused_stages(run.stage("int8"))
    assert caplog.text == ""
    make(run, "slim", run.first())
    warn_of_unused_stages(run.stage("int8"))
    path = run.path / "pruned"
    expected = f"{path} was made from the float stage, not from the later slim stage"
    assert expected in caplog.text
    assert f"prune --run_dir={run.path}` first, or delete {path}." in caplog.text
