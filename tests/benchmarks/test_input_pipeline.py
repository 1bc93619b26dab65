import json
from pathlib import Path

import pytest
from fixtures.programs import FEW_UNITS

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_input_benchmark_prints_a_table_and_json(tmp_path, make_classes, programs):
    flags = (
        "--num_photos=40 --photo_size=32 --batch_size=4 --rounds=1 --round_s=0 "
        f"--min_ratio=0 --run_dir={tmp_path / 'runs'} "
        f"--cifar10_dir={make_classes({'cat': 10, 'dog': 10})}"
    )
    program = BENCHMARKS / "input_pipeline.py"
    done = programs.run(program, *flags.split(), before=FEW_UNITS)
    assert done.returncode == 0, done.stderr
    output = done.stdout.splitlines()
    assert [line.split()[0] for line in output[:-1]] == ["data", "cifar10", "photos"]
    for row in json.loads(output[-1]):
        assert row["pipeline_images_per_s"] > 0 and row["ratio"] > 0
