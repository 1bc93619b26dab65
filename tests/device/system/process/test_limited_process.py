"""Programs that end, are killed or are interrupted, and what they leave running."""

import contextlib
import signal
from pathlib import Path

import pytest

from corallite.device.system.errors import RequestError
from corallite.device.system.process.limited_process import run_limited

# Many processes, of which some end after the first on a busy machine.
START_MANY = "for _ in $(seq 100); do sleep 600 & done; echo $$ > group; "


@pytest.fixture
def run_shell(tmp_path):
    """A function that runs a shell command: (command, timeout_s)."""
    return lambda command, timeout_s=600.0: run_limited(
        ["sh", "-c", command],
        folder=tmp_path,
        timeout_s=timeout_s,
        remedy="Install it.",
    )


@pytest.fixture
def still_running(tmp_path):
    """A function that returns the processes of the group that the command wrote."""

    def find():
        group, found = (tmp_path / "group").read_text().strip(), []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                state, _, number, *_ = path.read_text().rpartition(")")[2].split()
                if number == group and state != "Z":
                    found.append(path)
        return found

    return find


def test_children_of_a_program_that_has_ended_are_ended(run_shell, still_running):
    ended = run_shell(START_MANY + "echo done; exit 3")
    assert still_running() == []
    assert (ended.status, ended.text) == (3, "done\n")


def test_a_program_that_takes_too_long_is_ended_with_its_children(
    run_shell, still_running, tmp_path
):
    # However slowly it starts here.
    for timeout_s in (0.1, 1, 10, 100):
        assert run_shell(START_MANY + "sleep 600", timeout_s).status is None
        if (tmp_path / "group").exists():
            break
    assert still_running() == []


def test_an_interruption_and_one_more_end_it_with_its_children(
    run_shell, still_running, default_signals
):
    interrupt = "kill -INT $PPID; kill -INT $PPID; "
    with pytest.raises(KeyboardInterrupt):
        run_shell(START_MANY + interrupt + "sleep 600")
    assert still_running() == []


def test_a_hangup_that_is_ignored_ends_nothing(run_shell):
    """As nohup has it."""
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_shell("kill -HUP $PPID; sleep 0.1; echo done").status == 0
    finally:
        signal.signal(signal.SIGHUP, former)


def test_stdout_can_be_kept_apart(tmp_path):
    ended = run_limited(
        ["sh", "-c", "echo result; echo warning >&2"],
        folder=tmp_path,
        timeout_s=600,
        remedy="Install it.",
        keeps_apart=True,
    )
    assert (ended.stdout, ended.text) == ("result\n", "warning\n")


def test_a_missing_program_is_named_with_what_to_do(tmp_path):
    with pytest.raises(RequestError, match=r"/missing: cannot be run .*\. Install"):
        run_limited(["/missing"], folder=tmp_path, timeout_s=600, remedy="Install it.")
