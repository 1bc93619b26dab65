"""What the compiler said counts for the file it was given, and for no other."""

import pytest

from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.report.edgetpu_placement import find_placement
from corallite.convert.tflite.model import Model
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.run import Run


@pytest.fixture
def model(make_graph):
    graph = make_graph(("CONV_2D", ["in"], "a"), ("ELU", ["a"], "b"))
    return Model(3, "", (graph,), (), {}, b"")


@pytest.fixture
def source(tmp_path):
    """A finished int8 stage, as far as its file is not looked into."""
    stage = Run.open(tmp_path).stage("int8")
    files.write_bytes(stage.model_path, b"int8")
    stage.finish({}, {})
    return stage


def compile_it(source, model, **changes):
    """Records a compilation into two files, of which an older one is left too."""
    stage = source.run.stage("edgetpu")
    names = ["net_segment_0_of_2.tflite", "net_segment_1_of_2.tflite"]
    for name in (*names, "net_edgetpu.tflite"):
        files.write_bytes(stage.path / name, b"compiled")
    said = {**predict(model).to_json(), "mapped": [], "cure": "said so"}
    # Where the run lay before it was moved.
    compiled = [f"elsewhere/edgetpu/{name}" for name in names]
    record = {"edgetpu": said, "compiled": compiled, **changes}
    stage.finish({"parent": source.sha256()}, record, source)
    return stage


def place(source, model):
    return find_placement(source.run.stages(), source, model)


def test_without_a_compilation_it_is_predicted(source, model):
    assert place(source, model) == (predict(model), True)


def test_what_the_compiler_said_counts_for_its_file_alone(source, model):
    compile_it(source, model)
    placement, is_predicted = place(source, model)
    assert (placement.mapped, placement.suggestion, is_predicted) == (
        (),
        "said so",
        False,
    )
    assert placement.status == predict(model).status
    assert placement.parameters == predict(model).parameters
    files.write_bytes(source.model_path, b"another")
    assert place(source, model) == (predict(model), True)


def test_only_what_the_last_compilation_wrote_is_of_the_stage(source, model):
    stage = compile_it(source, model)
    names = [path.name for path in stage.list_files()]
    assert names == ["net_segment_0_of_2.tflite", "net_segment_1_of_2.tflite"]
    stage.list_files()[1].unlink()
    assert not stage.is_complete()


@pytest.mark.parametrize(
    ("said", "error"), [({"mapped": [0]}, "KeyError"), ([], "AttributeError")]
)
def test_a_damaged_record_is_refused(source, model, said, error):
    compile_it(source, model, edgetpu=said)
    with pytest.raises(RequestError, match=rf"metrics\.json is damaged \({error}"):
        place(source, model)
