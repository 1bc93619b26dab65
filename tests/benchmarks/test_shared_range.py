"""A way of finding the shared range is measured to its end."""

from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "shared_range.py"


@pytest.fixture
def run(programs):
    """A function that runs the program: (run_dir, *flags)."""
    settings = ["--epochs=1", "--seeds=1", "--batch_size=64", "--augment=none"]
    return lambda run_dir, *flags: programs.run(
        PROGRAM, f"--run_dir={run_dir}", *settings, *flags
    )


@pytest.mark.slow
def test_a_way_is_measured_to_its_end(run, small_copy):
    done = run(small_copy, "--seed=3", "--way=calibrated")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (small_copy / "shared_range" / "table.md").read_text()
    ((way, mean, each, limits),) = (
        line.split(" | ") for line in done.stdout.splitlines()[4:]
    )
    assert way == "| calibrated"
    assert 0 <= float(mean) == float(each) <= 100
    # Two branches meet once.
    assert len(limits.removesuffix(" |").split()) == 1


def test_a_run_without_float_stage_names_the_command(run, tmp_path):
    done = run(tmp_path)
    assert done.returncode == 2
    assert "no finished float stage; run `corallite train" in done.stderr
