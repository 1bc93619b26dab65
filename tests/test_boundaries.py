"""The device loads no training code, neither when imported nor when it runs."""

import subprocess
import sys
from pathlib import Path

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
# One process for all: to start one takes longer than to import most modules. What one
# loads stays loaded, so the first to load something forbidden is named. The flags of
# programs, which never meet otherwise, are removed in between, with the modules that
# define them.
IMPORT_EACH = f"""
import importlib
from absl import app, flags, logging

of_absl = set(flags.FLAGS)
for name in sys.argv[1:]:
    importlib.import_module(name)
    for flag in set(flags.FLAGS) - of_absl:
        delattr(flags.FLAGS, flag)
    for loaded in [x for x in sys.modules if x.startswith("corallite.device.cli")]:
        del sys.modules[loaded]
    if any(forbidden in sys.modules for forbidden in {FORBIDDEN}):
        print("AFTER", name)
        break
"""


def run(code, *arguments):
    """Runs `code` in a new process; returns the printed lines."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{REPORT}", *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_no_device_module_loads_training_code():
    modules = sorted(
        ".".join(("corallite.device", *path.relative_to(DEVICE).with_suffix("").parts))
        for path in DEVICE.rglob("*.py")
        if path.stem != "__init__"
    )
    assert len(modules) > 50
    assert run(IMPORT_EACH, *modules) == ["LOADED []"]


def test_module_that_loads_training_code_is_detected():
    lines = run(
        IMPORT_EACH,
        "corallite.device.system.errors",
        "corallite.convert.tflite.queries",
    )
    assert lines[0] == "AFTER corallite.convert.tflite.queries"


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
        "name = 'corallite.device.cli.classify_main'\n"
        "try: runpy.run_module(name, run_name='__main__')\n"
        "except SystemExit as done: assert not done.code, done.code\n"
        # A second on a board, and only needed to write models. The others take
        # milliseconds of each start.
        "for name in ('ai_edge_litert.schema_py_generated', 'numpy.typing', 'queue'):"
        " assert name not in sys.modules, name\n"
    )
    flags = (
        f"--model={tiny_models['uint8']}",
        f"--source={image}",
        f"--labels={labels}",
    )
    assert run(code, *flags)[-1] == "LOADED []"
