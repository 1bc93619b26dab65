"""Processes that answer, fail, crash and hang."""

import pytest

from corallite.device.system.process.isolated import try_python

CRASH = "import ctypes; ctypes.string_at(0)"


def test_output_and_arguments():
    outcome = try_python("print(sys.argv[1:])", "a", "b c", timeout_s=60)
    assert (outcome.output, outcome.failure) == ("['a', 'b c']\n", "")


@pytest.mark.parametrize(
    ("code", "failure", "crashed"),
    [
        (CRASH, "crashed with SIGSEGV", True),
        ("import os; os.abort()", "crashed with SIGABRT", True),
        ("import os; os.kill(os.getpid(), 4)", "with SIGILL: the CPU lacks", True),
        ("import os; os.kill(os.getpid(), 9)", "with SIGKILL: it was kill", True),
        ("import nothing_of_that_name", "No module named 'nothing_of_that", False),
        ("sys.exit('corallite: a.tflite: is odd.')", "a.tflite: is odd", False),
        ("sys.exit(3)", "it printed no error", False),
    ],
)
def test_failure_is_part_of_a_sentence(code, failure, crashed):
    outcome = try_python(code, timeout_s=60)
    assert failure in outcome.failure and "\n" not in outcome.failure
    assert not outcome.failure.endswith(".")
    assert outcome.crashed is crashed


START_CHILD = """
import subprocess, time
quiet = subprocess.DEVNULL
child = subprocess.Popen(["sleep", "1000"], stdout=quiet, stderr=quiet)
with open(sys.argv[1], "w") as file: file.write(str(child.pid))
"""


def has_ended(number):
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().split()[2] == "Z"
    except FileNotFoundError:
        return True


def test_hanging_process_is_ended_with_all_it_started(tmp_path):
    path = tmp_path / "pid"
    # However slowly Python starts here.
    for timeout_s in (0.5, 2, 8, 32):
        code = START_CHILD + "time.sleep(1000)"
        outcome = try_python(code, str(path), timeout_s=timeout_s)
        assert outcome.failure == f"no result in {timeout_s} s" and outcome.crashed
        if path.exists() and path.read_text():
            break
    assert has_ended(path.read_text())


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "import os; os.abort()"])
def test_what_a_process_leaves_behind_is_ended(tmp_path, end):
    path = tmp_path / "pid"
    try_python(START_CHILD + end, str(path), timeout_s=60)
    assert has_ended(path.read_text())


def test_modules_in_the_current_folder_are_not_taken(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemError")
    monkeypatch.chdir(tmp_path)
    assert try_python("import json", timeout_s=60).failure == ""


def test_python_that_is_not_there():
    outcome = try_python("", timeout_s=60, python="/no/python")
    assert outcome.failure == "/no/python does not start (No such file or directory)"


def test_much_output_does_not_block():
    assert len(try_python("print('x' * 10**6)", timeout_s=60).output) == 10**6 + 1
