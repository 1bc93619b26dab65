"""An honest client beside bad ones: the benchmark, made short."""

import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.serving import model

__all__ = ["model"]

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "slow_clients.py"


@pytest.mark.slow
def test_honest_client_is_answered_beside_each_kind_of_bad_ones(model):
    flags = [f"--model={model}", "--requests=2", "--bad=1", "--bad=20"]
    command = [sys.executable, str(PROGRAM), *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in done.stdout.splitlines()[2:]
    ]
    assert {row[0]: row[3:] for row in rows} == {
        name: ["2", "0"]
        for name in (
            *("none, one kept connection", "none", "1 slow", "20 slow"),
            *("1 idle", "20 idle", "1 large", "20 large"),
        )
    }
    assert all(float(row[1].removesuffix(" ms")) > 0 for row in rows)


@pytest.mark.parametrize("flag", ["--bad=100000", "--requests=0"])
def test_unbounded_flags_are_refused(flag):
    command = [sys.executable, str(PROGRAM), "--model=model.tflite", flag]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0 and flag.split("=")[0] in done.stderr
    assert "Traceback" not in done.stderr
