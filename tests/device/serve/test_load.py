"""Many requests at once, and damaged ones: the benchmark, made short."""

import subprocess
import sys
from pathlib import Path

import pytest

LOAD = Path(__file__).parents[3] / "benchmarks" / "serve_load.py"


@pytest.mark.slow
def test_200_requests_at_once_succeed_and_damaged_ones_cause_no_failure(model):
    flags = [f"--model={model}", "--in_flight=200", "--rounds=1", "--mutated=300"]
    command = [sys.executable, str(LOAD), *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    # 1 for a wrong answer, and for a 500 or none to a damaged request.
    assert done.returncode == 0, done.stdout
    assert "200 requests, 200 at once" in done.stdout
    assert "  0 wrong or refused;" in done.stdout
    assert "300 damaged requests: {'200': " in done.stdout
