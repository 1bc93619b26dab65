"""The record of a compilation counts for the file that was compiled, and no other."""

import dataclasses

import pytest

from corallite.convert.edgetpu.compile.compiler import Options
from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.report.compilation_record import (
    find_mapping,
    hash_compiled,
    list_compile_flags,
)
from corallite.convert.tflite.model import Model
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.run import hash_file


@pytest.fixture
def model(make_graph):
    graph = make_graph(("CONV_2D", ["in"], "a"), ("ELU", ["a"], "b"))
    return Model(3, "", (graph,), (), {}, b"")


def write(run_dir, model, **changes):
    said = {**predict(model).to_json(), "mapped": [], "cure": "said so"}
    record = {"inputs": {"parent": "abc"}, "is_predicted": False, "edgetpu": said}
    files.write_json(run_dir / "edgetpu" / "metrics.json", {**record, **changes})


def test_without_a_compilation_it_is_predicted(model, tmp_path):
    assert find_mapping(tmp_path, model, "abc") == (predict(model), True)


def test_what_the_compiler_said_counts_for_its_file_alone(model, tmp_path):
    write(tmp_path, model)
    found, is_predicted = find_mapping(tmp_path, model, "abc")
    assert (found.mapped, found.suggestion, is_predicted) == ((), "said so", False)
    assert found.status == predict(model).status
    assert found.parameters == predict(model).parameters
    assert find_mapping(tmp_path, model, "other") == (predict(model), True)


def test_a_recorded_prediction_stays_one(model, tmp_path):
    write(tmp_path, model, is_predicted=True)
    assert find_mapping(tmp_path, model, "abc") == (predict(model), True)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"edgetpu": {"mapped": [0]}}, "KeyError"),
        ({"edgetpu": []}, "AttributeError"),
        ({"inputs": []}, "TypeError"),
    ],
)
def test_a_damaged_record_is_refused(model, tmp_path, changes, error):
    write(tmp_path, model, **changes)
    with pytest.raises(RequestError, match=rf"metrics\.json is damaged \({error}"):
        find_mapping(tmp_path, model, "abc")


def test_only_what_the_last_compilation_wrote_is_shown(model, tmp_path):
    names = ["net_segment_0_of_2_edgetpu.tflite", "net_segment_1_of_2_edgetpu.tflite"]
    write(tmp_path, model, compiled=[f"elsewhere/edgetpu/{name}" for name in names])
    for name in (names[0], "net_edgetpu.tflite"):
        (tmp_path / "edgetpu" / name).write_text(name)
    path = tmp_path / "edgetpu" / names[0]
    assert hash_compiled(tmp_path) == {f"edgetpu/{names[0]}": hash_file(path)}


def test_a_record_without_what_was_written_is_refused(model, tmp_path):
    write(tmp_path, model)
    with pytest.raises(RequestError, match=r"metrics\.json is damaged \(KeyError"):
        hash_compiled(tmp_path)


def test_flags_of_the_compilation_are_those_that_are_not_usual(model, tmp_path):
    options = dataclasses.asdict(Options(num_segments=2, multiple_subgraphs=True))
    write(tmp_path, model, inputs={**options, "parent": "abc"})
    flags = {"enable_multiple_subgraphs": True, "num_segments": 2}
    assert list_compile_flags(tmp_path) == flags
