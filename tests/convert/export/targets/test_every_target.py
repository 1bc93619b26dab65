"""Each target's file gives the answers of the stage that it was made from."""

import importlib.util
import json

import numpy as np
import pytest
from fixtures.small_run import open_run

from corallite.convert.accuracy.measure_file import recall_comparison
from corallite.convert.accuracy.record import read_comparison
from corallite.convert.evaluate.predict_file import predict_labels_by_file
from corallite.convert.evaluate.stages import evaluate_run
from corallite.convert.export.convert import convert
from corallite.convert.export.plan import Request
from corallite.convert.export.registry import MODULES, find_target
from corallite.device.engine.open_model import ModelRequest, open_model
from corallite.device.model import selftest

pytestmark = pytest.mark.slow
_RUNNABLE = [
    name for name in MODULES if name != "int8" and find_target(name).runner is not None
]


def needs_packages(name):
    missing = [
        x for x in find_target(name).packages if importlib.util.find_spec(x) is None
    ]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")


@pytest.mark.parametrize("name", _RUNNABLE)
def test_the_file_gives_the_answers_of_its_source(small_copy, name):
    needs_packages(name)
    run, data = open_run(small_copy)
    stage = convert(run, data, target=name)
    compared = read_comparison(stage)
    # Float is exact but for the last bit, which 18 clear images do not notice; int8
    # has the ranges of its source, and NNCF's own ranges are as wide.
    assert compared is not None and compared.steps[-1].agreement == 1
    labels = predict_labels_by_file(stage.model_path, data.judging)
    right = float(np.mean(labels == data.judging.labels))
    assert stage.metrics()["val_accuracy"] == pytest.approx(right, abs=1e-4)
    # As `classify` and `serve` open it: by its name, with its manifest.
    engine = open_model(ModelRequest(str(stage.model_path)))
    assert engine.labels == data.class_names
    assert engine.preprocessing == data.preprocessing
    selftest.check_recorded(engine, stage.model_path)
    assert engine.manifest.accuracy.keys() == {"float", f"exports/{name}"}
    # Made again only for a reason.
    assert convert(run, data, target=name).metrics() == stage.metrics()


def test_all_are_evaluated_that_are_installed(small_copy, monkeypatch, caplog):
    run, data = open_run(small_copy)
    convert(run, data, target="tflite_float16")
    convert(run, data, target="saved_model")
    known = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *others: None if name == "tensorflow" else known(name, *others),
    )
    names = [result.stage for result in evaluate_run(run, data)]
    assert "exports/tflite_float16" in names and "exports/saved_model" not in names
    assert "saved_model is left out: it needs tensorflow" in caplog.text


def test_exports_are_not_the_last_stage_of_the_run(small_copy):
    """The gate of `evaluate` and the report judge the file for the device."""
    run, data = open_run(small_copy)
    before = recall_comparison(run, data)
    convert(run, data, target="tflite_float16")
    assert recall_comparison(run, data) == before
    assert before is not None and before.overall.to_name == "int8"


def test_options_reach_the_file(small_copy):
    needs_packages("onnx_int8")
    run, data = open_run(small_copy)
    options = {"layout": "nchw", "opset": 15, "symmetric": True}
    stage = convert(run, data, Request(options=options), "onnx_int8")
    made = stage.metrics()["inputs"]
    assert {x: made[x] for x in options} == options
    given = ("--to=onnx_int8", "--layout=nchw", "--opset=15", "--symmetric")
    assert set(given) <= set(stage.command().split())
    import onnx

    model = onnx.load(stage.model_path)
    assert [x.version for x in model.opset_import if not x.domain] == [15]
    shape = model.graph.input[0].type.tensor_type.shape
    assert [x.dim_value for x in shape.dim] == [1, 3, 32, 32]
    (manifest,) = (x.value for x in model.metadata_props if x.key == "corallite")
    assert json.loads(manifest)["outputs"][0]["labels"] == ["blue", "green", "red"]
