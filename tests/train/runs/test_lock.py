"""Two processes do not write into one run folder."""

import os
import signal
import subprocess
import sys

import pytest

from corallite.device.system.errors import RequestError
from corallite.train.runs.run import Run

_HOLDER = """
import sys
from pathlib import Path
from corallite.train.runs.run import Run

with Run.open(Path(sys.argv[1])).lock("prune"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def run(tmp_path):
    return Run.open(tmp_path / "run")


@pytest.fixture
def holder(run):
    """Another process that holds the lock until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(run.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_by_the_name_of_the_first(run, holder):
    message = (
        rf"run is in use by corallite prune \(process {holder.pid}\); wait until it "
        "has ended, or stop it"
    )
    with pytest.raises(RequestError, match=message):
        with run.lock("train"):
            pytest.fail("two hold it")
    holder.communicate("\n")
    with run.lock("train"):
        pass


def test_a_killed_process_leaves_no_lock(run, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with run.lock("train"):
        assert (run.path / ".lock").read_text().endswith(f"(process {os.getpid()})")


def test_nothing_is_left_of_a_lock_in_which_nothing_was_written(run):
    with run.lock("train"):
        assert run.path.exists()
    assert not run.path.exists()
    run.path.mkdir()
    with run.lock("train"):
        pass
    assert list(run.path.iterdir()) == []


def test_a_verb_inside_a_verb_needs_no_second_lock(run):
    with run.lock("pipeline"):
        with run.lock("train"):
            pass
        other = Run.open(run.path)
        with pytest.raises(RequestError, match="corallite pipeline"):
            with other.lock("prune"):
                pytest.fail("two hold it")


def test_a_link_in_place_of_the_lock_is_not_followed(run, tmp_path):
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    run.path.mkdir()
    (run.path / ".lock").symlink_to(thesis)
    with pytest.raises(RequestError, match=r"\.lock: is not a regular file; remove it"):
        with run.lock("train"):
            pass
    assert thesis.read_text() == "years of work"
