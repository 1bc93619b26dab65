"""TensorFlow comes in quietly, or says why it does not."""

import subprocess
import sys

import numpy as np
import pytest

from corallite.train.framework.keras import keras

# What a broken TensorFlow does: C++ complains to stderr, then the import fails.
BROKEN = """
import os
os.write(2, b"libcudart: no such symbol\\n")
raise ImportError("DLL load failed")
"""


def run(code, **options):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, **options)


def test_a_failing_import_shows_its_exception_and_its_reason(tmp_path):
    (tmp_path / "tensorflow.py").write_text(BROKEN)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import corallite.train.framework.keras"
    )
    result = run(code)
    assert result.returncode == 1
    assert result.stderr.startswith("libcudart: no such symbol\nTraceback")
    assert result.stderr.endswith("ImportError: DLL load failed\n")


@pytest.mark.parametrize(("legacy", "is_refused"), [("", True), ("1", False)])
def test_keras_3_chosen_before_us_is_refused(legacy, is_refused, tmp_path):
    # As if another package had imported TensorFlow, a fake one for speed.
    code = (
        "import os, sys, types\n"
        f"os.environ['TF_USE_LEGACY_KERAS'] = {legacy!r}\n"
        "tf = sys.modules['tensorflow'] = types.ModuleType('tensorflow')\n"
        "tf.config = types.SimpleNamespace(list_physical_devices=list)\n"
        "sys.modules['tf_keras'] = types.ModuleType('tf_keras')\n"
        "import corallite.train.framework.keras"
    )
    result = run(code)
    assert ("import corallite first, or set TF_USE" in result.stderr) == is_refused
    assert result.returncode == is_refused


@pytest.mark.slow
def test_tfmot_before_us_is_refused():
    """Else keras-cv would find Keras 3 and fail where it is first used."""
    result = run(
        "import tensorflow_model_optimization, corallite.train.framework.keras"
    )
    assert "import corallite first, or set TF_USE" in result.stderr
    assert result.returncode == 1


@pytest.mark.slow
def test_keras_cv_works_beside_tfmot():
    assert run("import corallite.optimize.keras_graph.tfmot, keras_cv").returncode == 0


def test_many_models_are_no_reason_for_advice(caplog):
    """TensorFlow warns from the fifth on, and names functions of its own."""
    images = np.zeros((1, 4), np.float32)
    for width in range(1, 8):
        layer = keras.layers.Dense(width)
        keras.Sequential([keras.Input((4,)), layer]).predict(images, verbose=0)
    assert not caplog.messages
