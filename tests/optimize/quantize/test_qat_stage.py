"""The qat stage is not replaced by one of another range."""

import json

import pytest
from fixtures.small_run import open_run

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.optimize.quantize.qat_stage import train_quantized
from corallite.train.runs.run import Run
from corallite.train.training.recipe import Recipe


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "asked"),
    [("calibrated", None), (None, "calibrated"), ("calibrated", "fixed")],
)
def test_another_shared_range_is_refused(made, asked, small_copy):
    stage = Run.open(small_copy).stage("qat")
    metrics = json.loads((stage.path / "metrics.json").read_text())
    recipe = Recipe(**metrics["inputs"]["recipe"])
    if made:
        metrics["inputs"]["shared_range"] = made
        files.write_json(stage.path / "metrics.json", metrics)
    with pytest.raises(RequestError, match=f"shared_range {made}, now {asked}"):
        train_quantized(*open_run(small_copy), recipe, shared_range=asked)
    assert stage.is_complete()
