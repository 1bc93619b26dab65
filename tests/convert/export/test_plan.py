"""Which methods are tried, and on what, from what is in the run folder."""

import dataclasses

import pytest
from fixtures.small_run import open_run

from corallite.convert.export.plan import Request, choose_methods, make_plan
from corallite.convert.export.registry import find_target
from corallite.train.runs.run import Run

AUTO = Request(method="auto")
INT8 = find_target("int8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "methods"),
    [
        ({}, ["qat"]),
        ({"granularity": "channel"}, ["qat"]),
        ({"granularity": "tensor"}, ["ptq", "ptq_corrected", "qat"]),
        ({"calibration_count": 20}, ["ptq", "ptq_corrected", "qat"]),
        ({"overwrite": True}, ["ptq", "ptq_corrected", "qat"]),
        # Above the limit, as measured; but 18 images prove nothing, qat is the last.
        ({"max_drop": -1.0}, ["qat"]),
        ({"max_drop": -30.0}, ["ptq", "ptq_corrected", "qat"]),
    ],
)
def test_what_was_chosen_stays_chosen_for_the_same_request(small_run, changes, methods):
    request = dataclasses.replace(AUTO, **changes)
    stage = Run.open(small_run).stage("int8")
    assert list(choose_methods(stage, INT8, request)) == methods


@pytest.mark.slow
def test_a_network_pruned_after_its_training_with_quantization_is_reported(
    small_copy, caplog
):
    request = dataclasses.replace(AUTO, method="qat")
    run, data = open_run(small_copy)
    stage, first = run.stage("qat"), run.first()
    metrics = stage.metrics()
    inputs = {**metrics.pop("inputs"), "parent": first.sha256()}
    stage.finish(inputs, {**metrics, "parent": first.name}, first)
    assert make_plan(run, data, INT8, "qat", request).parent == stage
    assert "qat was made from the float stage, not from the later pruned" in caplog.text
    caplog.clear()
    run.stage("pruned").discard()
    make_plan(run, data, INT8, "qat", request)
    assert caplog.text == ""
