"""The memory of a server with a hostile camera, for a moment."""

import subprocess
import sys
from pathlib import Path

import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "serve_bombs.py"


@pytest.mark.slow
def test_table_has_the_peak_of_each_kind(tiny_models, tmp_path):
    manifest = Manifest.of_classifier(
        "t", "1", ("a", "b", "c"), Preprocessing((32, 32))
    )
    model = tmp_path / "model.tflite"
    model.write_bytes(attach_manifest(tiny_models["uint8"].read_bytes(), manifest))
    flags = ["--kinds=JPEG", "--seconds=0", "--clients=1", "--most_mb=4000"]
    done = subprocess.run(
        [sys.executable, PROGRAM, f"--model={model}", *flags],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0
    (line,) = done.stdout.splitlines()[1:]
    assert line.startswith("JPEG") and line.endswith("[200]")
