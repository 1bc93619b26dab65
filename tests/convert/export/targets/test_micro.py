"""A run's int8 file as C++ sources."""

import platform
import sys

import pytest
from fixtures.small_run import open_run

from corallite.convert.export.convert import convert
from corallite.convert.export.targets import micro
from corallite.convert.micro.operators import OPERATORS
from corallite.convert.micro.predict import Agreement
from corallite.device.engine.runners.tflite_micro import strip
from corallite.device.system.errors import RequestError

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="tflite-micro is for x86-64 only"
)
FILES = ["model_data.cc", "model_data.h", "op_resolver.h", "main.cc"]


@pytest.mark.slow
def test_sources_are_of_the_int8_file(small_copy):
    run, data = open_run(small_copy)
    stage = convert(run, data, target="micro")
    assert stage.path == small_copy / "exports" / "micro"
    assert [path.name for path in stage.list_files()] == FILES
    content = strip((small_copy / "int8" / "model_int8.tflite").read_bytes())
    text = (stage.path / "model_data.cc").read_text()
    array = text.partition("kModelData[] = {")[2].partition("}")[0]
    assert bytes(int(x) for x in array.split(",") if x.strip()) == content
    record = stage.metrics()
    assert record["flash_bytes"] == len(content)
    assert record["agreement"]["same_before_dense"] == record["agreement"]["images"]
    header = (stage.path / "model_data.h").read_text()
    assert f"kArenaBytes = {record['arena']['reserved']};" in header
    assert f'    "{data.class_names[0]}",' in text
    assert convert(run, data, target="micro").metrics() == record


@pytest.mark.slow
def test_nothing_is_written_for_a_model_that_is_refused(small_copy, monkeypatch):
    run, data = open_run(small_copy)
    monkeypatch.setattr(
        "corallite.convert.micro.operators.OPERATORS", OPERATORS - {"SOFTMAX"}
    )
    with pytest.raises(RequestError, match="int8.tflite: .*Micro has no SOFTMAX .*"):
        convert(run, data, target="micro")
    other = Agreement(8, 7, 7, 8, 1)
    monkeypatch.undo()
    monkeypatch.setattr(micro, "compare_with_litert", lambda *arguments: other)
    with pytest.raises(RequestError, match="computes other numbers than LiteRT's refe"):
        convert(run, data, target="micro")
    assert not (small_copy / "exports").exists()


@pytest.mark.slow
def test_missing_package_is_one_sentence(small_copy, monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    run, data = open_run(small_copy)
    with pytest.raises(RequestError, match="needs tflite_micro, .*: pip install 'cor"):
        convert(run, data, target="micro")
