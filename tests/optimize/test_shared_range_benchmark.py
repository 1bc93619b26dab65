"""Each way of finding the shared range is measured to its end, and once."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "shared_range.py"


def run(run_dir, *flags):
    settings = ["--epochs=1", "--seeds=1", "--batch_size=64", "--augment=none"]
    return subprocess.run(
        [sys.executable, PROGRAM, f"--run_dir={run_dir}", *settings, *flags],
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_a_cell_that_is_lost_is_made_again_and_no_other(copied_run):
    done = run(copied_run, "--seed=3")
    assert done.returncode == 0, done.stderr
    cells = copied_run / "shared_range"
    kept = [cells / kind / "qat" / "model.h5" for kind in ("fixed_3", "calibrated_3")]
    times_ns = [path.stat().st_mtime_ns for path in kept]
    lost = cells / "learned_3"
    shutil.rmtree(lost / "qat")
    again = run(copied_run, "--seed=3")
    assert again.returncode == 0, again.stderr
    # The same seed gives the same network; the times do not count.
    assert again.stdout == done.stdout == (cells / "table.md").read_text()
    assert [path.stat().st_mtime_ns for path in kept] == times_ns
    rows = [line.split(" | ") for line in done.stdout.splitlines()[4:]]
    assert [row[0] for row in rows] == ["| fixed", "| calibrated", "| learned"]
    assert all(0 <= float(row[1]) <= 100 for row in rows)
    assert rows[0][3] == "6 |"
    # Three stages, each with its own limit.
    assert len(rows[2][3].removesuffix(" |").split()) == 3


def test_a_run_without_float_stage_is_told_what_to_run(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 2
    assert "no finished float stage; run `corallite train" in done.stderr
