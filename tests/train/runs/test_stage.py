"""A stage is made once, and not from two kinds of settings."""

import json
from typing import Any

import numpy as np
import pytest

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.accuracy import find_accuracy
from corallite.train.runs.record import read_header
from corallite.train.runs.run import Run
from corallite.train.runs.stage import STATE_FILE

INPUTS: dict[str, Any] = {
    "model": "shufflenet_v2",
    "width": 1.0,
    "recipe": {"epochs": 30, "seed": 0},
    "preprocessing": {"size_hw": (32, 32), "fit": "crop"},
    "parent": "one",
    "data": "these",
}


# Deeper than Python reads.
DEEP = '{"inputs":' * 10_000 + "1" + "}" * 10_000


@pytest.fixture
def stage(tmp_path):
    return Run.open(tmp_path / "run").stage("float")


@pytest.fixture
def finished(stage):
    files.write_bytes(stage.model_path, b"model")
    stage.finish(INPUTS, {"parameters": 3})
    return stage


@pytest.fixture
def begun(stage):
    header = '{"inputs": %s, "history": [], "best_epoch": -1}'
    stage.path.mkdir(parents=True)
    inputs = files.json.dumps(INPUTS)
    np.savez(stage.path / STATE_FILE, header=np.array(header % inputs))
    return stage


def with_changes(**changes):
    recipe = {**INPUTS["recipe"], **changes.pop("recipe", {})}
    return {**INPUTS, "recipe": recipe, **changes}


@pytest.mark.parametrize("kind", ["finished", "begun"])
def test_records_from_before_teachers_and_averages_stay_valid(kind, request):
    """They had none; the state of a begun training is used too."""
    stage = request.getfixturevalue(kind)
    assert stage.is_done(with_changes(recipe={"ema": 0.0})) == (kind == "finished")
    with pytest.raises(RequestError, match=r"other settings \(ema 0.0, now 0.9\)"):
        stage.is_done(with_changes(recipe={"ema": 0.9}))
    with pytest.raises(RequestError, match=r"\(teacher None, now a1\)"):
        stage.is_done(with_changes(teacher="a1", teacher_loss="dist"))
    if kind == "begun":
        header = read_header(stage.path / STATE_FILE)
        assert header is not None
        assert header["inputs"]["recipe"] == {**INPUTS["recipe"], "ema": 0.0}


def test_a_teacher_from_before_there_was_a_choice_had_another_loss(stage):
    files.write_bytes(stage.model_path, b"model")
    stage.finish(with_changes(teacher="b2"), {})
    with pytest.raises(RequestError, match=r"\(teacher_loss mean, now dist\)"):
        stage.is_done(with_changes(teacher="b2", teacher_loss="dist"))


@pytest.mark.parametrize("teacher", [None, "a1"])
def test_another_teacher_is_another_setting(stage, teacher):
    files.write_bytes(stage.model_path, b"model")
    taught = with_changes(teacher="b2", teacher_loss="kl", unlabelled="c3")
    stage.finish(taught, {})
    assert stage.is_done(taught)
    other = with_changes(**({"teacher": teacher} if teacher else {}))
    with pytest.raises(RequestError, match=f"teacher b2, now {teacher}"):
        stage.is_done(other)


def test_the_command_of_a_taught_stage_has_its_flags(stage):
    qat = stage.run.stage("qat")
    qat.record_flags({"teacher": "/runs/a b"})
    flags = f"--run_dir={stage.run.path} --teacher='/runs/a b'"
    assert qat.command() == f"corallite quantize {flags}"


def test_a_new_stage_is_not_done(stage):
    assert not stage.is_complete()
    assert not stage.is_done(INPUTS)
    assert stage.metrics() == {}


def test_a_finished_stage_is_done_and_says_what_it_measured(finished):
    assert finished.is_done(INPUTS)
    assert finished.is_done(INPUTS, overwrite=True)
    metrics = finished.metrics()
    assert metrics["parameters"] == 3
    assert metrics["kind"] == "float"
    assert set(metrics) == {"kind", "inputs", "parameters", "finished", "versions"}
    assert "numpy" in metrics["versions"]


def test_a_stage_whose_model_was_removed_is_made_again(finished):
    finished.model_path.unlink()
    assert not finished.is_done(INPUTS)


def test_a_setting_that_was_not_recorded_had_its_default(stage):
    exported = stage.run.stage("int8")
    exported.path.mkdir(parents=True)
    exported.model_path.write_bytes(b"model")
    exported.finish({"source": "qat"}, {})
    assert exported.is_done({"source": "qat", "precision": 0.95})
    with pytest.raises(RequestError, match=r"precision 0\.95, now 0\.9\)"):
        exported.is_done({"source": "qat", "precision": 0.9})


def test_a_reopened_stage_is_not_done(finished):
    finished.reopen()
    assert not finished.is_done(INPUTS)


def test_a_changed_parent_makes_the_stage_again(finished):
    assert not finished.is_done(with_changes(parent="another"))


@pytest.mark.parametrize("kind", ["finished", "begun"])
def test_other_settings_are_refused_by_name_and_value(kind, request):
    stage = request.getfixturevalue(kind)
    other = with_changes(width=0.5, recipe={"epochs": 3}, parent="another")
    state = {"finished": "made", "begun": "begun"}[kind]
    message = (
        rf"{stage.path} was {state} with other settings "
        r"\(width 1\.0, now 0\.5, epochs 30, now 3\); give another --run_dir, or "
        "--overwrite to make it again."
    )
    with pytest.raises(RequestError, match=message):
        stage.is_done(other)
    assert not stage.is_done(other, overwrite=True)


def test_only_the_given_settings_are_compared(begun):
    begun.refuse_other_settings({"width": 1.0, "recipe": INPUTS["recipe"]})
    with pytest.raises(RequestError, match=r"size_hw \[32, 32\], now \[64, 64\]"):
        begun.refuse_other_settings(
            {"preprocessing": {"size_hw": (64, 64), "fit": "crop"}}
        )


def test_a_finished_stage_is_required(finished):
    assert finished.require() == finished.model_path


def test_a_missing_stage_is_asked_for_by_the_verb_that_makes_it(stage):
    message = "has no finished float stage; run `corallite train --run_dir="
    with pytest.raises(RequestError, match=message):
        stage.require()


def test_an_unfinished_stage_is_not_passed_over(begun):
    message = "float was begun and not finished; resume it with `corallite train"
    with pytest.raises(RequestError, match=message):
        begun.require()


def record_run(run_dir, **changes):
    record = {
        "network": {**INPUTS, "size_hw": [32, 32], **changes},
        "data_dir": "/my photos",
    }
    files.write_json(run_dir / "run.json", record)


def test_the_command_of_a_run_without_a_record_leaves_the_images_open(stage):
    command = f"corallite train --run_dir={stage.run.path} --data_dir=FOLDER"
    assert stage.command() == command


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({}, "--epochs=30"),
        ({"recipe": {"epochs": 30, "batch_size": 128}}, "--epochs=30 --batch_size=128"),
        (
            {"recipe": {"epochs": 60, "warmup_epochs": 1.0, "balance_classes": False}},
            "--epochs=60 --nobalance_classes",
        ),
    ],
)
def test_the_command_of_a_run_can_be_pasted(begun, changes, flags):
    record_run(begun.run.path, **changes)
    assert begun.command() == (
        f"corallite train --run_dir={begun.run.path} --data_dir='/my photos' "
        f"--model=shufflenet_v2 --width=1.0 --image_size=32 --weights=random {flags}"
    )


def test_the_command_of_a_run_has_its_fit(begun):
    record_run(begun.run.path, preprocessing={"fit": "pad"})
    assert " --image_size=32 --fit=pad " in begun.command()


def test_the_command_has_the_groups_of_the_run(begun):
    record_run(begun.run.path)
    path = begun.run.path / "run.json"
    files.write_json(path, {**json.loads(path.read_text()), "group_by": "(.*)_"})
    assert "--image_size=32 --group_by='(.*)_' --weights=random " in begun.command()


@pytest.mark.parametrize(
    ("recorded", "flags"),
    [
        ({"frozen": True}, " --freeze"),
        ({"frozen": False}, " --nofreeze"),
        ({"frozen_epochs": 4}, ""),  # Of an earlier version.
    ],
)
def test_the_command_has_the_weights_of_the_run(begun, recorded, flags):
    record_run(begun.run.path, **recorded)
    path = begun.run.path / "run.json"
    files.write_json(path, {**json.loads(path.read_text()), "weights": "/a.pth"})
    assert begun.command().endswith(f" --weights=/a.pth{flags} --epochs=30")


def test_the_command_of_a_later_stage_has_what_it_was_made_from(finished):
    pruned = finished.run.stage("pruned")
    assert pruned.command() == f"corallite prune --run_dir={pruned.run.path}"
    files.write_bytes(pruned.model_path, b"zeros")
    recipe = {"epochs": 2, "batch_size": 128, "seed": 4}
    pruned.finish({"sparsity": 0.25, "recipe": recipe}, {})
    words = pruned.command().split()[3:]
    assert words == ["--sparsity=0.25", "--epochs=2", "--batch_size=128", "--seed=4"]


def test_a_command_names_the_flag_where_the_record_has_another_name(stage):
    compiled = stage.run.stage("edgetpu")
    files.write_bytes(compiled.model_path, b"compiled")
    compiled.finish({"multiple_subgraphs": True, "retries": 2}, {})
    assert compiled.command().endswith(" --enable_multiple_subgraphs")


@pytest.mark.parametrize("damage", ['{"network": {}}', DEEP])
def test_a_damaged_record_of_the_run_is_named(begun, damage):
    files.write_text(begun.run.path / "run.json", damage)
    with pytest.raises(RequestError, match="run.json is damaged"):
        begun.command()


def test_a_stage_that_is_made_again_is_not_passed_over(finished):
    finished.reopen()
    with pytest.raises(RequestError, match="begun and not finished"):
        finished.require()
    assert finished.run.latest("float", "pruned") == finished


def make_pruned(float_stage):
    pruned = float_stage.run.stage("pruned")
    files.write_bytes(pruned.model_path, b"zeros")
    inputs = {"sparsity": 0.5, "parent": float_stage.sha256()}
    pruned.finish(inputs, {}, float_stage)
    return pruned


def test_a_stage_of_a_model_that_was_replaced_is_refused(finished):
    pruned = make_pruned(finished)
    assert pruned.require() == pruned.model_path
    files.write_bytes(finished.model_path, b"another model")
    with pytest.raises(RequestError, match="has changed since; run `corallite prune"):
        pruned.require()


def test_all_that_was_made_from_a_replaced_model_is_outdated(finished):
    pruned = make_pruned(finished)
    qat = finished.run.stage("qat")
    files.write_bytes(qat.model_path, b"rounded")
    qat.finish({"parent": pruned.sha256()}, {}, pruned)
    assert not qat.is_outdated()
    files.write_bytes(finished.model_path, b"another model")
    assert qat.is_outdated()


def test_a_stage_needs_no_file_of_the_one_before(finished):
    pruned = make_pruned(finished)
    finished.model_path.unlink()
    assert pruned.require() == pruned.model_path


@pytest.mark.parametrize("damage", ['{"inputs": {', DEEP])
def test_damaged_metrics_are_named(finished, damage):
    (finished.path / "metrics.json").write_text(damage)
    with pytest.raises(RequestError, match="metrics.json is damaged .*; remove it"):
        finished.is_done(INPUTS)


@pytest.mark.parametrize("header", ["[]", "{}", '{"inputs": 1}', DEEP])
def test_a_state_with_a_damaged_header_is_named(begun, header):
    np.savez(begun.path / STATE_FILE, header=np.array(header))
    with pytest.raises(RequestError, match="damaged and the training cannot be res"):
        begun.is_done(INPUTS)


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"history": [], "best_epoch": 0},
        {"history": [{"val_accuracy": 0.5}]},
        {"history": [{"val_accuracy": None}], "best_epoch": 0},
    ],
)
def test_a_record_that_lacks_the_accuracy_is_named(stage, metrics):
    stage.finish(INPUTS, metrics)
    with pytest.raises(RequestError, match="metrics.json is damaged .*; remove it"):
        find_accuracy(stage)


def test_the_accuracy_is_that_of_the_best_epoch(stage):
    epochs = [{"val_accuracy": 0.75}, {"val_accuracy": 0.5}]
    stage.finish(INPUTS, {"history": epochs, "best_epoch": 0})
    assert find_accuracy(stage) == 0.75


ONE_LABEL = {
    "images": 9,
    "right": 3,
    "largest_class": 3,
    "label": "cat",
    "predicted": 9,
}


def test_a_useless_model_is_warned_of_when_it_is_made_and_asked_for(stage, caplog):
    files.write_bytes(stage.model_path, b"model")
    stage.finish(INPUTS, {"predictions": ONE_LABEL})
    assert stage.is_done(INPUTS)
    warned = [x.message for x in caplog.records if x.levelname == "WARNING"]
    sentence = "The float model predicts 'cat' for 9 of 9 validation images"
    assert len(warned) == 2
    assert all(x.startswith(sentence) and "--epochs" in x for x in warned)


def test_a_useful_model_is_not_warned_of(finished, caplog):
    assert finished.predictions() is None
    finished.finish(INPUTS, {"predictions": {**ONE_LABEL, "right": 9, "predicted": 3}})
    assert finished.predictions().right == 9
    assert finished.is_done(INPUTS)
    assert "WARNING" not in [x.levelname for x in caplog.records]


def test_a_record_with_damaged_predictions_is_named(stage):
    files.write_bytes(stage.model_path, b"model")
    with pytest.raises(RequestError, match="metrics.json is damaged .*; remove it"):
        stage.finish(INPUTS, {"predictions": {"images": 9}})
