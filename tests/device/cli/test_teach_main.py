"""The command that teaches, as a user calls it."""

import subprocess
import sys

import pytest

from corallite.device.learn.features_file import SHIPPED, FeaturesFile


@pytest.fixture
def teach(tmp_path, squares_dir):
    """A function that runs `corallite teach` on squares: (**flags)."""

    def run(**flags):
        given = {"photos": squares_dir, "model": tmp_path / "model.tflite", **flags}
        return subprocess.run(
            [sys.executable, "-m", "corallite.device.cli.teach_main"]
            + [f"--{name}={value}" for name, value in given.items() if value],
            capture_output=True,
            text=True,
            env={"PATH": "", "XDG_CACHE_HOME": str(tmp_path / "cache")},
        )

    return run


def test_the_shipped_features_file_is_small_and_of_this_size():
    assert SHIPPED.stat().st_size < 5_000_000
    features = FeaturesFile.open(SHIPPED)
    assert features.size == 1280
    assert features.manifest.preprocessing.size_hw == (224, 224)
    assert features.sha256 in SHIPPED.with_suffix(".txt").read_text()


@pytest.mark.slow
def test_a_model_is_taught_and_replaced(teach, tmp_path):
    done = teach()
    assert done.returncode == 0, done.stderr
    assert "180 photos of 3 classes" in done.stdout
    assert "of held-out photos (95 %:" in done.stdout
    again = teach()
    assert again.returncode == 0
    assert "0 gained and 0 lost of 180 photos" in again.stdout
    assert f"mv {tmp_path}/model.former.tflite {tmp_path}/model.tflite" in again.stdout


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"photos": "/missing"}, "/missing: cannot be read"),
        ({"features": "/missing"}, "/missing: cannot be read"),
        ({"model": None}, "--model is missing"),
    ],
)
def test_errors_are_one_line(teach, flags, expected):
    done = teach(**flags)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and expected in done.stderr
