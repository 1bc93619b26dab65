"""A new export target takes one entry in the registry and one file."""

import dataclasses

import pytest
from fixtures import toy_target
from fixtures.small_run import open_run

from corallite.convert.accuracy.gate import AccuracyLostError
from corallite.convert.accuracy.record import read_comparison
from corallite.convert.evaluate.stages import evaluate_run
from corallite.convert.export.convert import convert
from corallite.convert.export.registry import MODULES, find_target
from corallite.convert.export.targets.target import Candidate
from corallite.device.system.errors import RequestError
from corallite.train.runs.kinds import find_kind


@pytest.mark.parametrize("name", MODULES)
def test_a_target_says_what_it_needs_and_who_runs_it(name):
    target = find_target(name)
    assert target.name == name
    assert target.summary and target.verified
    assert bool(target.packages) == bool(target.extra)


def test_the_defaults_of_options_are_those_of_old_records():
    """They are twice, because `train/runs` knows no targets."""
    settings = find_kind("exports/onnx_int8").settings
    options = find_target("onnx_int8").options
    for name in ("layout", "opset", "symmetric"):
        assert settings[name] == options[name]


def test_an_unknown_target_is_refused():
    with pytest.raises(RequestError, match="of int8, .*, got 'none'"):
        find_target("none")


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(MODULES, "toy", toy_target.__name__)


@pytest.mark.slow
def test_a_new_target_is_exported_and_compared(small_copy, toy):
    run, data = open_run(small_copy)
    stage = convert(run, data, target="toy")
    assert stage.path == small_copy / "exports" / "toy"
    assert [x.name for x in stage.list_files()] == ["toy.tflite", "notes.txt"]
    # The latest that the target accepts.
    assert (stage.path / "notes.txt").read_text() == "made from pruned"
    compared = read_comparison(stage)
    assert compared is not None and compared.passed
    steps = [(step.from_name, step.to_name) for step in compared.steps]
    assert steps == [("float", "pruned"), ("pruned", "exports/toy")]
    assert compared.steps[-1].agreement == 1
    results = evaluate_run(run, data)
    assert "exports/toy" in [result.stage for result in results]
    assert convert(run, data, target="toy").metrics() == stage.metrics()


@pytest.mark.slow
def test_a_target_that_loses_too_much_is_kept_beside(small_copy, toy, monkeypatch):
    run, data = open_run(small_copy)
    wrong = (data.splits["val"].labels + 1) % 3
    (toy_one,) = toy_target.TARGETS

    def export_wrong(*_):
        return Candidate({"toy.tflite": b"x"}, wrong)

    changed = dataclasses.replace(toy_one, export=export_wrong)
    monkeypatch.setattr(toy_target, "TARGETS", (changed,))
    with pytest.raises(AccuracyLostError, match="exports/toy .* below float"):
        convert(run, data, target="toy")
    names = {path.name for path in (small_copy / "exports" / "toy").iterdir()}
    assert names == {"toy.rejected.tflite", "parity.rejected.json"}
    assert not run.stage("exports/toy").is_complete()
