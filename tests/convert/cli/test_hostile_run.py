"""No verb executes code of a run folder that somebody else made."""

import json

import pytest
from fixtures.hostile_keras import write_lambda
from fixtures.squares_network import IN_PROGRAMS, PIPELINE_FLAGS

from corallite.device.system import files
from corallite.train.runs.record import hash_file
from corallite.train.runs.run import Run

pytestmark = pytest.mark.slow
RECIPE = ("--batch_size=16", "--augment=none", "--epochs=2", "--learning_rate=0.002")
NEXT = {"float": "pruned", "pruned": "qat", "qat": "int8"}
# Those that load the model of the stage.
VERBS = {
    "float": {
        "prune": (*RECIPE, "--sparsity=0.1"),
        "convert": ("--source=float", "--overwrite"),
        "evaluate": ("--part=train",),
        "report": (),
    },
    "pruned": {
        "quantize": RECIPE,
        "convert": ("--source=pruned", "--overwrite"),
        "evaluate": ("--part=train",),
        "report": (),
    },
    "qat": {"convert": (), "evaluate": ("--part=train",), "report": ()},
}


def replace_model(run, name, created):
    """Puts a `Lambda` into a stage whose children fit to it; the next is not made."""
    stage = run.stage(name)
    write_lambda(stage.model_path, created)
    for other in run.path.glob("*/metrics.json"):
        record = json.loads(other.read_text())
        if record.get("parent") == name:
            record["inputs"]["parent"] = hash_file(stage.model_path)
            files.write_json(other, record)
    # Otherwise the verb that makes it has nothing to do.
    run.stage(NEXT[name]).reopen()


def assert_refused(done, created):
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "model.h5: has the class 'Lambda', which could" in done.stderr
    assert not created.exists()


@pytest.mark.parametrize("stage", VERBS)
def test_every_verb_that_loads_a_stage_refuses_it(
    programs, small_copy, tmp_path, stage
):
    created = tmp_path / "created"
    replace_model(Run.open(small_copy), stage, created)
    for verb, flags in VERBS[stage].items():
        assert_refused(programs.run(verb, f"--run_dir={small_copy}", *flags), created)


@pytest.mark.parametrize("stage", VERBS)
def test_a_pipeline_that_resumes_refuses_it(
    programs, copied_run, squares_dir, tmp_path, stage
):
    created = tmp_path / "created"
    replace_model(Run.open(copied_run), stage, created)
    command = (f"--data_dir={squares_dir}", f"--run_dir={copied_run}", *PIPELINE_FLAGS)
    done = programs.run("pipeline", *command, before=IN_PROGRAMS)
    assert_refused(done, created)


def test_weights_with_a_lambda_are_refused(programs, squares_dir, tmp_path):
    created, path = tmp_path / "created", tmp_path / "weights.h5"
    write_lambda(path, created)
    done = programs.run(
        "train",
        f"--data_dir={squares_dir}",
        f"--run_dir={tmp_path / 'run'}",
        f"--weights={path}",
        "--model=shufflenet_v2",
        "--width=0.25",
        "--image_size=32",
    )
    assert done.returncode == 2
    assert f"{path}: has the class 'Lambda', which could execute code" in done.stderr
    assert not created.exists()
