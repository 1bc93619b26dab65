"""Stages of `optimize` are not replaced by ones of another range or teacher."""

import functools
import json

import pytest
from fixtures.small_run import SPARSITY, open_run

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.optimize.prune.magnitude import prune
from corallite.optimize.quantize.qat_stage import train_quantized
from corallite.train.runs.run import Run
from corallite.train.training.recipe import Recipe
from corallite.train.training.teaching.teacher import Teaching


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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pruned", "qat"])
def test_a_teacher_is_one_of_the_settings(name, small_copy, small_recipe):
    """The run's own float model teaches; a stage without a record of one had none."""
    run, data = open_run(small_copy)
    stage, teacher = run.stage(name), Teaching(small_copy)
    verbs = {
        "pruned": functools.partial(prune, run, data, SPARSITY),
        "qat": functools.partial(train_quantized, run, data),
    }
    make = functools.partial(verbs[name], small_recipe)
    before = stage.metrics()
    make()
    with pytest.raises(RequestError, match="teacher None, now"):
        make(teaching=teacher)
    assert stage.metrics() == before

    make(teaching=teacher, overwrite=True)
    taught = stage.metrics()
    digest = run.first().sha256()
    assert digest.startswith(taught["inputs"]["teacher"])
    assert f"--teacher={small_copy}" in stage.command()
    make(teaching=Teaching(small_copy / "float" / "model.h5"))
    assert stage.metrics() == taught  # The same content, so it is done already.
    with pytest.raises(RequestError, match="teacher_loss dist, now kl"):
        make(teaching=Teaching(small_copy, loss="kl"))
    with pytest.raises(RequestError, match=r"\(teacher .*, now None\)"):
        make()
