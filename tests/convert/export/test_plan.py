"""Which methods are tried, and on what, from what is in the run folder."""

import dataclasses

import pytest

from corallite.convert.export.int8 import read_parity
from corallite.convert.export.plan import Options, choose_methods, find_parent
from corallite.train.runs.run import Stage
from corallite.train.training.recipe import Recipe

AUTO = Options(None, "auto", None, 500, None, Recipe(epochs=1), False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "methods"),
    [
        ({}, ["qat"]),
        ({"granularity": "channel"}, ["qat"]),
        ({"granularity": "tensor"}, ["ptq", "ptq_corrected", "qat"]),
        ({"calibration_count": 20}, ["ptq", "ptq_corrected", "qat"]),
        ({"overwrite": True}, ["ptq", "ptq_corrected", "qat"]),
        ({"max_drop": -1.0}, ["ptq", "ptq_corrected", "qat"]),
    ],
)
def test_what_was_chosen_stays_chosen_for_the_same_request(small_run, changes, methods):
    options = dataclasses.replace(AUTO, **changes)
    assert choose_methods(small_run, options, read_parity(small_run)) == methods


@pytest.mark.slow
def test_a_network_pruned_after_its_training_with_quantization_is_told(
    small_copy, caplog
):
    options = dataclasses.replace(AUTO, method="qat")
    stage = Stage(small_copy, "qat")
    metrics = stage.metrics()
    stage.finish(metrics["inputs"], {**metrics, "from": "float"})
    assert find_parent("qat", small_copy, options) == stage
    assert "qat was made of the float stage, not of the pruned one" in caplog.text
    caplog.clear()
    Stage(small_copy, "pruned").discard()
    find_parent("qat", small_copy, options)
    assert caplog.text == ""
