"""The whole pipeline: run once, and resumed where it was interrupted."""

import shutil
import signal

import pytest
from fixtures.squares_network import IN_PROGRAMS, PIPELINE_FLAGS

from corallite.convert.report.write import write_report
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.optimize.slim.budget import Budget
from corallite.train.data.decoded import cache
from corallite.train.data.listing.layout import SPLITS
from corallite.train.runs.record import hash_file
from corallite.train.runs.run import Run
from corallite.train.training.recipe import Transfer
from corallite.train.training.teaching.teacher import Teaching

pytestmark = pytest.mark.slow

STAGES = ("float", "pruned", "qat", "int8")


def stages_of(run_dir):
    return [Run.open(run_dir).stage(name) for name in STAGES]


def state_of(run_dir):
    """When each stage was finished, and what its model is."""
    return {
        stage.name: (stage.metrics()["finished"], hash_file(stage.model_path))
        for stage in stages_of(run_dir)
    }


@pytest.fixture
def start(programs, squares_dir):
    """A function that starts the verb: (run_dir, *flags)."""
    given = ["pipeline", *PIPELINE_FLAGS, f"--data_dir={squares_dir}"]
    return lambda run_dir, *flags: programs.start(
        *given, f"--run_dir={run_dir}", *flags, before=IN_PROGRAMS
    )


def test_the_second_call_does_nothing_and_prints_the_table(start, finished_run):
    before = state_of(finished_run)
    done = start(finished_run).finish()
    assert done.returncode == 0, done.stderr
    assert state_of(finished_run) == before
    lines = done.stdout.splitlines()
    assert [line.split()[1] for line in lines[2:6]] == list(STAGES)
    assert lines[-1] == f"report  {finished_run / 'report.html'}"
    assert (finished_run / "report.html").exists()
    for name in STAGES:
        assert f"{name}: done already." in done.stderr


def test_another_sparsity_is_refused_and_changes_nothing(start, finished_run):
    before = state_of(finished_run)
    done = start(finished_run, "--sparsity=0.4").finish()
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("corallite: ")
    assert "sparsity 0.5, now 0.4" in last
    assert "--overwrite" in last
    assert "Traceback" not in done.stderr
    assert state_of(finished_run) == before


def test_leaving_pruning_out_of_a_pruned_run_is_refused(squares_pipeline, copied_run):
    with pytest.raises(RequestError, match=r"sparsity 0\.5, now 0\).*--overwrite"):
        squares_pipeline(copied_run, sparsity=0.0)
    assert all(stage.is_complete() for stage in stages_of(copied_run))


def test_a_pruned_run_refuses_to_remove_channels_at_once(squares_pipeline, copied_run):
    with pytest.raises(RequestError, match=r"pruned was made .*sparsity 0\.5, now 0\)"):
        squares_pipeline(copied_run, steps="small", sparsity=None)
    assert not (copied_run / "slim").exists()
    assert all(stage.is_complete() for stage in stages_of(copied_run))


def test_a_sparsity_of_1_is_refused_before_any_training(squares_pipeline, tmp_path):
    with pytest.raises(RequestError, match="above 0 and below 1, got 1"):
        squares_pipeline(tmp_path / "run", sparsity=1.0)
    assert not (tmp_path / "run").exists()


def test_patience_in_pruning_is_refused_before_any_training(start, tmp_path):
    run_dir = tmp_path / "run"
    done = start(run_dir, "--prune_patience=1").finish()
    assert done.returncode == 2
    assert "`patience` to be 0 in pruning, got 1" in done.stderr.splitlines()[-1]
    assert not run_dir.exists()


def test_images_are_opened_once(squares_pipeline, finished_run, monkeypatch):
    open_split, opened = cache.open_split, []

    def note(folder, split, *arguments):
        opened.append(split)
        return open_split(folder, split, *arguments)

    monkeypatch.setattr(cache, "open_split", note)
    _, data = squares_pipeline(finished_run)
    write_report(Run.open(finished_run), data)
    assert opened == list(SPLITS)


def test_a_run_without_weights_is_not_one_with_them(squares_pipeline, copied_run):
    weights = str(Run.open(copied_run).stage("float").model_path)
    with pytest.raises(RequestError, match=r"weights None, now \w+, frozen None"):
        squares_pipeline(copied_run, transfer=Transfer(weights, is_frozen=False))
    assert all(stage.is_complete() for stage in stages_of(copied_run))


def test_a_truncated_model_is_named(squares_pipeline, copied_run):
    path = Run.open(copied_run).stage("pruned").model_path
    path.write_bytes(path.read_bytes()[:10_000])
    shutil.rmtree(copied_run / "qat")
    with pytest.raises(RequestError, match=r"pruned/model\.h5 is not a complete Keras"):
        squares_pipeline(copied_run)


def test_killed_while_overwriting_it_goes_on_and_keeps_what_comes_before(
    start, squares_pipeline, copied_run
):
    before = state_of(copied_run)
    lengths = [len(x.metrics().get("history", [])) for x in stages_of(copied_run)]
    training_state = copied_run / "pruned" / "training_state.npz"
    running = start(copied_run, "--sparsity=0.4", "--overwrite")
    done = running.signal_after(training_state.exists, signal.SIGKILL)
    assert done.returncode == -signal.SIGKILL, done.stderr
    results, _ = squares_pipeline(copied_run, sparsity=0.4, overwrite=True)
    after = state_of(copied_run)
    assert after["float"] == before["float"]
    for name in STAGES[1:]:
        assert after[name][1] != before[name][1], name
    assert results[1].sparsity == pytest.approx(0.4, abs=0.005)
    assert min(result.evaluation.top1 for result in results) > 0.8
    assert lengths == [
        len(stage.metrics().get("history", [])) for stage in stages_of(copied_run)
    ]
    assert not training_state.exists()


@pytest.fixture
def float_run(finished_run, tmp_path):
    """A run that has its float stage alone, so that a pipeline takes seconds."""
    run_dir = tmp_path / "few"
    for name in ("float", "cache"):
        shutil.copytree(finished_run / name, run_dir / name)
    for name in ("run.json", "split.json", "classes.txt"):
        shutil.copy(finished_run / name, run_dir)
    return run_dir


def test_few_photos_are_neither_pruned_nor_trained_for_int8(
    float_run, squares_pipeline
):
    results, _ = squares_pipeline(float_run, steps="auto", sparsity=None)
    assert [result.stage for result in results] == ["float", "int8"]
    assert not any((float_run / name).exists() for name in ("pruned", "qat"))
    assert Run.open(float_run).stage("int8").metrics()["inputs"]["method"] == "ptq"


def test_channels_are_removed_and_another_recipe_does_not_keep_that(
    float_run, squares_pipeline
):
    """The report shows the widths, and the float network teaches its smaller self."""
    teaching = Teaching(float_run / "float" / "model.h5")
    run, budget = Run.open(float_run), Budget(max_macs=250_000)
    macs = run.first().metrics()["macs"]
    assert macs > budget.max_macs
    options = {"steps": "small", "sparsity": None, "budget": budget}
    results, data = squares_pipeline(float_run, **options)
    assert [x.stage for x in results] == ["float", "slim", "qat", "int8"]
    assert results[-1].macs <= budget.max_macs < results[0].macs
    assert results[-1].evaluation.top1 > 0.8
    lineage = [x.name for x in run.lineage(run.stage("int8"))]
    assert lineage == ["float", "slim", "qat", "int8"]
    finished = [stage.metrics()["finished"] for stage in run.stages()]
    squares_pipeline(float_run, **options)
    assert [stage.metrics()["finished"] for stage in run.stages()] == finished

    channels = run.stage("slim").metrics()["channels"]
    assert list(channels) == ["stem", "left", "right", "middle"]
    assert all(after <= before for before, after in channels.values())
    page = write_report(run, data).read_text("utf-8")
    assert "Output channels of convolutions, slim" in page

    for other in ({"steps": "full"}, {**options, "budget": Budget(max_macs=1)}):
        with pytest.raises(RequestError, match=r"slim was made with other settings"):
            squares_pipeline(float_run, **{"sparsity": None, **other})
    with pytest.raises(RequestError, match="--max_macs needs --recipe=small; add it"):
        squares_pipeline(float_run, budget=budget)
    assert run.stage("slim").is_complete()
    with pytest.raises(RequestError, match="teacher None, now"):
        squares_pipeline(float_run, **options, teaching=teaching)


def test_a_board_that_cannot_be_read_is_refused_before_any_training(
    squares_pipeline, tmp_path
):
    board = tmp_path / "board.json"
    board.write_text("{")
    with pytest.raises(RequestError, match=r"board\.json"):
        squares_pipeline(
            tmp_path / "run",
            steps="small",
            sparsity=None,
            budget=Budget(board=str(board)),
        )
    assert not (tmp_path / "run").exists()


def test_a_budget_that_cannot_be_kept_is_refused_before_any_training(
    squares_pipeline, tmp_path
):
    run = Run.open(tmp_path / "run")
    given = {"steps": "small", "sparsity": None}
    with pytest.raises(RequestError, match="No widths .* within 1 multiply"):
        squares_pipeline(run.path, **given, budget=Budget(max_macs=1))
    assert not run.first().is_begun()
    assert not run.first().is_complete()


def test_the_teacher_teaches_every_training(squares_pipeline, copied_run):
    """Each stage is refused until its record names the teacher."""
    digest = Run.open(copied_run).first().sha256()[:16]
    for name in STAGES[:3]:
        with pytest.raises(RequestError, match=rf"/{name} was made .*\(teacher None"):
            squares_pipeline(copied_run, teaching=Teaching(copied_run))
        stage = Run.open(copied_run).stage(name)
        metrics = stage.metrics()
        metrics["inputs"] |= {"teacher": digest, "teacher_loss": "dist"}
        files.write_json(stage.path / "metrics.json", metrics)
