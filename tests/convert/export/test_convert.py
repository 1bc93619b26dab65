"""A model that predicts one label for all images is not exported as accurate."""

import dataclasses

import numpy as np
import pytest
from absl import logging
from fixtures.small_run import SPARSITY, open_run

from corallite.convert.accuracy import gate, measure
from corallite.convert.accuracy.gate import AccuracyLostError
from corallite.convert.accuracy.measure_file import compare_file, recall_comparison
from corallite.convert.accuracy.record import read_rejected
from corallite.convert.evaluate.stages import evaluate_run
from corallite.convert.evaluate.usefulness import list_warnings
from corallite.convert.export.convert import convert
from corallite.convert.export.plan import Request
from corallite.convert.report.write import write_report
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.prune.magnitude import prune
from corallite.train.training.model_file import save_model

pytestmark = pytest.mark.slow
# The labels are blue, green and red; the validation split has six images of each.
FAULT = "predicts 'green' for 18 of 18 validation images, although no class has more"


@pytest.fixture
def constant(small_copy, monkeypatch):
    """A run and its data; its only stage predicts green, whatever it is shown.

    The errors of its layers, which decide nothing, are not measured.
    """
    nothing = {"layers": [], "layer_images": 0}
    monkeypatch.setattr(measure, "compare_layers", lambda *arguments: nothing)
    run, data = open_run(small_copy)
    for name in ("pruned", "qat", "int8"):
        run.stage(name).discard()
    model = load_model(run.first().model_path)
    kernel, _ = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([0 * kernel, np.array([0.0, 4.0, 0.0])])
    save_model(model, run.first().model_path)
    return run, data


def test_it_does_not_pass_although_int8_loses_nothing(constant):
    run, data = constant
    with pytest.raises(
        AccuracyLostError, match=f"^int8 {FAULT}.*float is no b"
    ) as lost:
        convert(run, data, Request(max_drop=100.0))
    comparison = lost.value.comparison
    assert comparison.overall.drop_points == 0
    assert "Run `corallite train` with more --epochs" in gate.explain(comparison)
    stage = run.stage("int8")
    assert not stage.is_complete()
    assert read_rejected(stage) == comparison
    rejected = stage.path / "model_int8.rejected.tflite"
    compared = compare_file(rejected, run, data, 100.0)
    assert not compared.passed and FAULT in gate.explain(compared)


@pytest.fixture
def program_log(caplog):
    """What a program logs; absl's own level, which the converter restores, is its."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.INFO)
    yield caplog
    logging.set_verbosity(verbosity)


def test_auto_tells_why_each_method_is_rejected(constant, program_log, small_recipe):
    run, data = constant
    with pytest.raises(AccuracyLostError, match=FAULT):
        convert(run, data, Request(method="auto", recipe=_still(small_recipe)))
    assert f"ptq is rejected: int8 {FAULT}" in program_log.text
    assert f"The qat model {FAULT}" in program_log.text


def test_evaluate_and_the_report_say_so(constant):
    run, data = constant
    with pytest.raises(AccuracyLostError):
        convert(run, data, Request())
    (warning,) = list_warnings(evaluate_run(run, data), data.class_names, "test")
    assert warning.startswith("float predicts 'green' for 18 of 18 test images")
    page = " ".join(write_report(run, data).read_text("utf-8").split())
    assert "<b>Warning:</b> float predicts &#39;green&#39; for 18 of 18 test" in page
    assert "<b>The file failed.</b> int8 predicts &#39;green&#39; for 18 of" in page


def test_a_stage_made_from_it_records_it_and_warns(constant, caplog, small_recipe):
    run, data = constant
    stage = prune(run, data, SPARSITY, _still(small_recipe))
    summary = stage.predictions()
    assert summary and (summary.label, summary.predicted) == ("green", 18)
    assert f"The pruned model {FAULT}" in caplog.text
    compared = recall_comparison(run, data)
    assert compared and not compared.passed
    assert FAULT in gate.explain(compared)


def test_a_useful_model_records_it_too(small_run):
    run, data = open_run(small_run)
    for name in ("pruned", "qat"):
        summary = run.stage(name).predictions()
        assert summary and summary.images == len(data.splits["val"].labels)
        assert summary.explain_fault(name, "val") == ""
    compared = recall_comparison(run, data)
    assert compared and list(compared.predictions) == ["float", "pruned", "qat", "int8"]


def test_a_rejected_file_of_a_former_model_is_not_reported(constant):
    run, data = constant
    with pytest.raises(AccuracyLostError):
        convert(run, data, Request())
    model = load_model(run.first().model_path)
    model.get_layer("logits").set_weights(
        [weights + 1 for weights in model.get_layer("logits").get_weights()]
    )
    save_model(model, run.first().model_path)
    assert read_rejected(run.stage("int8")) is None


def _still(recipe):
    """A training that changes no weight."""
    return dataclasses.replace(recipe, epochs=1, learning_rate=0.0)
