"""Counting instructions, with a shell script in place of an emulated Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "instructions.py"
# Prints as the plugin: 5 million for the start, and 1 or 4 million per inference.
COUNTING = """#!/bin/sh
test -s "${QEMU_PLUGIN#file=}" || exit 3
case $2 in
  */ours_int8.tflite) each=1000000 ;;
  *) each=4000000 ;;
esac
echo "instructions: $((5000000 + each * $3))" >&2
"""
CRASHING = """#!/bin/sh
echo "uncaught target signal 11" >&2
exit 139
"""
FAILING_COMPILER = """#!/bin/sh
echo "no such option -O2" >&2
exit 1
"""

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")


def write_script(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def count(tmp_path):
    """A function that runs the benchmark on networks of these names."""
    (tmp_path / "networks").mkdir()

    def run(*names):
        for name in names:
            (tmp_path / "networks" / f"{name}.tflite").touch()
        return subprocess.run(
            [
                *(sys.executable, PROGRAM, f"--files_dir={tmp_path / 'networks'}"),
                f"--userland={tmp_path / 'userland'}",
            ],
            env={**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
        )

    return run


def assert_refused(done, *words):
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert [word for word in words if word not in done.stderr] == []


def test_start_is_not_counted(count, tmp_path):
    write_script(tmp_path / "userland" / "python", COUNTING)
    done = count("ours_int8", "published_int8")
    assert done.returncode == 0, done.stderr
    rows = [line.rsplit(maxsplit=2) for line in done.stdout.splitlines()[1:]]
    assert rows == [
        ["ours, LiteRT int8", "1.00", "1.00"],
        ["published, LiteRT int8", "4.00", "0.25"],
    ]


def test_missing_reference_network_is_reported(count, tmp_path):
    write_script(tmp_path / "userland" / "python", COUNTING)
    assert_refused(count("published_int8"), "ours_int8.tflite", "shufflenet.py")


def test_network_that_crashes_is_named(count, tmp_path):
    write_script(tmp_path / "userland" / "python", CRASHING)
    assert_refused(count("ours_int8"), "ours_int8.tflite", "uncaught target signal 11")


def test_missing_userland_is_named(count):
    assert_refused(count("ours_int8"), "userland/python", "make_userland.sh")


def test_error_of_the_compiler_is_reported(count, tmp_path):
    write_script(tmp_path / "userland" / "python", COUNTING)
    write_script(tmp_path / "bin" / "cc", FAILING_COMPILER)
    assert_refused(count("ours_int8"), "count_instructions.c", "no such option -O2")
