"""The device side loads no training code, neither imported nor at work."""

import subprocess
import sys
from pathlib import Path

import pytest

DEVICE = Path(__file__).parents[1] / "device"
FORBIDDEN = (
    "tensorflow",
    "keras",
    "tf_keras",
    "tensorflow_model_optimization",
    "keras_cv",
    "corallite.train",
    "corallite.optimize",
    "corallite.convert",
)
REPORT = f"""
loaded = sorted(name for name in {FORBIDDEN} if name in sys.modules)
print("LOADED", loaded)
"""


def loaded_by(code, *arguments):
    """Runs `code` in a new process and returns which forbidden modules it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{REPORT}", *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "module",
    sorted(
        ".".join(path.relative_to(DEVICE).with_suffix("").parts)
        for path in DEVICE.rglob("*.py")
        if path.stem != "__init__"
    ),
)
def test_device_module_loads_no_training_code(module):
    assert loaded_by(f"import corallite.device.{module}") == "LOADED []"


def test_classifying_an_image_loads_no_training_code(tiny_models, tmp_path):
    import cv2
    import numpy as np

    image, labels = tmp_path / "red.png", tmp_path / "labels.txt"
    image.write_bytes(
        cv2.imencode(".png", np.full((8, 8, 3), (0, 0, 255), np.uint8))[1].tobytes()
    )
    labels.write_text("red\ngreen\nblue\n")
    code = (
        "import runpy\n"
        "try: runpy.run_module('corallite.device.classify_main', run_name='__main__')\n"
        "except SystemExit as done: assert not done.code, done.code\n"
    )
    flags = (
        f"--model={tiny_models['uint8']}",
        f"--source={image}",
        f"--labels={labels}",
    )
    assert loaded_by(code, *flags) == "LOADED []"
