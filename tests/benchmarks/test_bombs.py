"""The bombs' memory, with bombs of a megapixel."""

import subprocess
import sys
from pathlib import Path

import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "bombs.py"


@pytest.mark.slow
@pytest.mark.parametrize(("most_mb", "status"), [(4000, 0), (1, 1)])
def test_table_has_a_line_for_each_format(tiny_models, tmp_path, most_mb, status):
    manifest = Manifest.of_classifier(
        "t", "1", ("a", "b", "c"), Preprocessing((32, 32))
    )
    model = tmp_path / "model.tflite"
    model.write_bytes(attach_manifest(tiny_models["uint8"].read_bytes(), manifest))
    flags = ["--formats=JPEG,GIF", "--ordinary=1", "--bomb=1", f"--most_mb={most_mb}"]
    done = subprocess.run(
        [sys.executable, PROGRAM, f"--model={model}", *flags],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == status
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == ["JPEG", "GIF"]
