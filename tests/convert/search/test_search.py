"""The verb `search`: interrupted, shared by two processes, and what it refuses."""

import signal

import optuna
import pytest
from fixtures.postgres import postgres
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from corallite.device.benchmark.layers.latency_table import (
    LatencyTable,
    read_operators,
    write_table,
)

pytestmark = pytest.mark.slow
__all__ = ["postgres"]
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
LIMIT = "--max_macs=1500000"
FLAGS = (
    "--families=residual",
    "--image_size=32",
    "--trials=4",
    "--trial_epochs=3",
    "--epochs=10",
    "--batch_size=16",
    "--learning_rate=0.05",
    "--augment=none",
)
# One network is checked and one is trained fully, to save time.
BEFORE = (
    "from corallite.convert.search import check, run\ncheck.COUNT, run.KEPT = 1, 1\n"
)


@pytest.fixture
def start(programs, squares_dir):
    """A function that starts the verb: (run_dir, *flags)."""
    given = ("search", f"--data_dir={squares_dir}", *FLAGS)

    def start(run_dir, *flags, before=BEFORE):
        return programs.start(*given, f"--run_dir={run_dir}", *flags, before=before)

    return start


def trials_of(storage):
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage).trials


def open_journal(run_dir):
    return JournalStorage(JournalFileBackend(str(run_dir / "study.journal")))


def saved(run_dir):
    """The states of trials that are being trained."""
    return list(run_dir.glob("trials/*/training_state.npz"))


def test_an_interrupted_and_a_killed_process_lose_nothing(start, tmp_path):
    run_dir = tmp_path / "search"
    done = start(run_dir, LIMIT).signal_after(lambda: saved(run_dir), signal.SIGINT)
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    assert "Traceback" not in done.stderr
    first = trials_of(open_journal(run_dir))
    before = [x.number for x in first if x.state in FINISHED]

    two = [start(run_dir, LIMIT) for _ in range(2)]
    # The one that is killed trains the interrupted trial, or another.
    done = two[0].signal_after(
        lambda: " epoch 1/3" in two[0].stderr_path.read_text(), signal.SIGKILL
    )
    assert done.returncode == -signal.SIGKILL
    done = two[1].finish()
    assert done.returncode == 0, done.stderr

    trials = trials_of(open_journal(run_dir))
    finished = [x.number for x in trials if x.state in FINISHED]
    # The process that was left resumed what the others had begun. Shapes that are too
    # large at their least widths failed at once.
    others = [x for x in trials if x.state not in FINISHED]
    assert [x.number for x in others if x.state is not TrialState.FAIL] == []
    assert not any("network" in x.user_attrs for x in others)
    assert len(finished) == 4 and set(before) <= set(finished)
    assert not list(run_dir.glob("trials/*"))

    assert "int8 test accuracy" in done.stdout
    assert "predicted bytes: within 10%" in done.stdout
    (network,) = run_dir.glob("best/*/network.json")
    assert (network.parent / "int8" / "model_int8.tflite").exists()
    page = (run_dir / "search.html").read_text("utf-8")
    assert "published resnet8" in page and page.count("<svg") == 1

    # Nothing is left to do, and other settings are refused.
    again = start(run_dir, LIMIT).finish()
    assert again.stdout == done.stdout
    other = start(run_dir, "--max_macs=1600000").finish()
    assert other.returncode == 2
    assert "max_macs 1500000.0, now 1600000.0); give another --run_dir" in other.stderr


def test_two_folders_share_a_database_and_one_is_killed(start, tmp_path, postgres):
    folders = [tmp_path / "first", tmp_path / "second"]
    flags = (LIMIT, f"--storage={postgres}")
    # None is trained fully.
    before = f"{BEFORE}run.train_fully = lambda *arguments: ([], [])"
    two = [start(folder, *flags, before=before) for folder in folders]
    done = two[0].signal_after(lambda: saved(folders[0]), signal.SIGKILL)
    assert done.returncode == -signal.SIGKILL
    former = trials_of(RDBStorage(postgres))
    done = two[1].finish()
    assert "predicted bytes" in done.stdout, done.stderr

    trials = trials_of(RDBStorage(postgres))
    # No result is lost, and only the trial of the killed process has none.
    for trial in (x for x in former if x.state in FINISHED):
        assert trials[trial.number].intermediate_values == trial.intermediate_values
    states = [x.state for x in trials]
    assert sum(x in FINISHED for x in states) == 4
    assert states.count(TrialState.RUNNING) == 1


def test_a_search_without_a_limit_is_refused(start, tmp_path):
    done = start(tmp_path / "search").finish()
    assert done.returncode == 2
    assert "A search needs a limit; give --max_latency_ms" in done.stderr
    done = start(tmp_path / "search", LIMIT, "--families=residual,vgg").finish()
    assert done.returncode == 2
    assert "--families: expected some of residual, inverted, shuffled" in done.stderr


def test_operators_that_a_board_has_not_measured_are_listed(start, tmp_path):
    write_table(LatencyTable("a board", "ai-edge-litert 2.3.0"), tmp_path / "pi.json")
    flags = ("--max_latency_ms=1", f"--board={tmp_path / 'pi.json'}")
    done = start(tmp_path / "search", *flags).finish()
    assert done.returncode == 2
    layers = tmp_path / "search" / "layers.json"
    last = done.stderr.splitlines()[-1]
    assert f"copy {layers} and this table to the board" in last
    assert "corallite benchmark --layers=layers.json --out=pi.json" in last
    assert len(read_operators(layers)) > 100


def test_a_storage_that_cannot_be_opened_is_one_sentence(start, tmp_path):
    storage = "--storage=postgresql+psycopg://me:secret@localhost:1/none"
    done = start(tmp_path / "search", LIMIT, storage).finish()
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert "--storage=" in last and "check the address" in last
    assert "secret" not in done.stderr and "Traceback" not in done.stderr
