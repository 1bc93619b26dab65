import json
import subprocess
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_input_benchmark_prints_a_table_and_json(
    tmp_path, make_classes, command_with_few_units
):
    flags = (
        "--num_photos=40 --photo_size=32 --batch_size=4 --rounds=1 --round_s=0 "
        f"--min_ratio=0 --run_dir={tmp_path / 'runs'} "
        f"--cifar10_dir={make_classes({'cat': 10, 'dog': 10})}"
    )
    output = subprocess.run(
        [
            *command_with_few_units(BENCHMARKS / "input_pipeline.py"),
            *flags.split(),
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.splitlines()
    assert [line.split()[0] for line in output[:-1]] == ["data", "cifar10", "photos"]
    for row in json.loads(output[-1]):
        assert row["pipeline_images_per_s"] > 0 and row["ratio"] > 0
