"""Commands on labels: when they run, their environment, and that all of them end."""

import sys
import threading
import time

import pytest

from corallite.device.engine.classifier import Prediction
from corallite.device.loop.classify_frames import Result
from corallite.device.outputs.command_hook import Hook, parse_command
from corallite.device.system.errors import RequestError

REPORT = (
    "import os, sys; open(sys.argv[1], 'a').write(' '.join(os.environ['CORALLITE_' + n]"
    " for n in ('LABEL', 'PROBABILITY', 'SOURCE', 'FRAME')) + '\\n')"
)


def see(hook, label, frame=0, **fields):
    top = [Prediction(label, 0.75), Prediction("other", 0.25)]
    hook.put(Result(frame, 0.0, "camera 0", top, label, 1.0, **fields))


def wait_for(hook, wait_until):
    wait_until(lambda: hook._runner is None or not hook._runner.is_alive())


def test_label_is_in_the_environment_of_the_command(tmp_path, wait_until):
    report = tmp_path / "report with spaces; rm x"
    hook = Hook("cat", [sys.executable, "-c", REPORT, str(report)], pause_s=0)
    see(hook, "dog")
    see(hook, "cat", 3)
    wait_for(hook, wait_until)
    hook.close()
    assert report.read_text() == "cat 0.750000 camera 0 3\n"


def test_command_runs_once_each_time_the_label_appears(wait_until):
    hook = Hook("cat", ["true"], pause_s=0)
    for label in ("cat", "cat", "dog", "dog", "cat"):
        see(hook, label)
        wait_for(hook, wait_until)
    assert (hook.runs, hook.skipped) == (2, 0)


def test_with_a_threshold_the_active_labels_decide(wait_until):
    hook = Hook("cat", ["true"], pause_s=0)
    for active in ([], ["dog"], ["dog", "cat"], ["cat"]):
        see(hook, "cat", active=active)
        wait_for(hook, wait_until)
    assert hook.runs == 1


def test_unknown_is_a_label_with_and_without_a_threshold(wait_until):
    for seen in (
        [("cat", None), ("unknown", None), ("cat", None)],
        [("cat", ["cat"]), ("unknown", []), ("cat", ["cat"])],
    ):
        hook = Hook("unknown", ["true"], pause_s=0)
        for label, active in seen:
            see(hook, label, active=active)
            wait_for(hook, wait_until)
        assert hook.runs == 1


def test_running_command_is_not_started_again(tmp_path, wait_until):
    gate = tmp_path / "gate"
    waits = f"while [ ! -e '{gate}' ]; do sleep 0.05; done"
    hook = Hook("cat", ["sh", "-c", waits], pause_s=0)
    for _ in range(50):
        see(hook, "cat")
        see(hook, "dog")
    assert (hook.runs, hook.skipped) == (1, 49)
    gate.touch()
    wait_for(hook, wait_until)
    hook.close()


def test_pause_separates_the_starts_of_a_command(wait_until):
    hook = Hook("cat", ["true"], pause_s=1000)
    for _ in range(3):
        see(hook, "cat")
        see(hook, "dog")
        wait_for(hook, wait_until)
    assert (hook.runs, hook.skipped) == (1, 2)


def is_running(pid_file):
    pid = int(pid_file.read_text())
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("ends", ["by its time", "with the loop"])
def test_hanging_command_is_ended_with_its_children(
    tmp_path, wait_until, caplog, monkeypatch, ends
):
    monkeypatch.setattr("corallite.device.outputs.command_hook._GRACE_S", 0.2)
    pid_file = tmp_path / "pid"
    hangs = f"trap '' TERM; sleep 1000 & echo $! > '{pid_file}'; wait; sleep 1000"
    limit_s = 1.0 if ends == "by its time" else 1000
    hook = Hook("cat", ["sh", "-c", hangs], timeout_s=limit_s, pause_s=0)
    see(hook, "cat")
    wait_until(lambda: pid_file.exists() and pid_file.read_text().strip())
    if ends == "by its time":
        wait_for(hook, wait_until)
    start_s = time.monotonic()
    hook.close()
    assert time.monotonic() - start_s < 60
    assert not [t for t in threading.enumerate() if t.name == "hook"]
    wait_until(lambda: not is_running(pid_file))
    assert "sh: exceeded --run_timeout and was ended." in caplog.text


def test_failures_are_logged_and_the_next_command_runs(tmp_path, wait_until, caplog):
    program = tmp_path / "program"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    for arguments, sentence in (
        (["sh", "-c", "exit 3"], "sh: ended with status 3."),
        ([str(program)], "program: does not start: No such file"),
    ):
        hook = Hook("cat", arguments, pause_s=0)
        for label in ("cat", "dog", "cat"):
            see(hook, label)
            wait_for(hook, wait_until)
        assert hook.runs == 2 and f"{sentence}" in caplog.text


def test_any_label_fits_into_the_environment(tmp_path, wait_until):
    label, report = "a\0b\ud800ä", tmp_path / "report"
    command = ["sh", "-c", f"printf %s \"$CORALLITE_LABEL\" > '{report}'"]
    hook = Hook(label, command, pause_s=0)
    see(hook, label)
    wait_for(hook, wait_until)
    assert report.read_text("utf-8") == "a?b\\ud800ä"


def test_output_goes_to_stderr(capfd, wait_until):
    hook = Hook("cat", ["echo", "hello"], pause_s=0)
    see(hook, "cat")
    wait_for(hook, wait_until)
    assert capfd.readouterr() == ("", "hello\n")
    assert not [t for t in threading.enumerate() if t.name == "hook"]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("echo 'x", "--run=echo 'x: No closing quotation; correct the quotes."),
        ("/no/program x", "there is no executable program '/no/program'"),
        ("", "there is no executable program ''"),
    ],
)
def test_invalid_command_is_refused(command, sentence):
    with pytest.raises(RequestError, match=sentence):
        parse_command(command)


def test_command_is_split_like_in_a_shell():
    assert parse_command("echo 'a b' $HOME") == ["echo", "a b", "$HOME"]
