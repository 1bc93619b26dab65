"""The memory that TensorFlow Lite Micro needs."""

import platform
import sys

import numpy as np
import pytest
from fixtures.small_models import write_model

from corallite.convert.micro import arena
from corallite.convert.micro.arena import measure_arena
from corallite.device.engine.runners.tflite_micro import (
    import_runtime,
    open_interpreter,
)
from corallite.device.system.errors import RequestError

# The package index has wheels of tflite-micro for no other processor.
only_x86 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="tflite-micro is for x86-64 only"
)


@only_x86
def test_model_runs_in_the_reserved_bytes():
    content = write_model((1, 32, 32, 3), kind="INT8")
    found = measure_arena(content, "m.tflite")
    assert found.activations >= 32 * 32 * 3
    assert found.reserved % 1024 == 0
    assert found.reserved >= 1.1 * (found.activations + found.structures) - 1
    interpreter = open_interpreter(import_runtime(), content, found.reserved)
    interpreter.set_input(np.zeros((1, 32, 32, 3), np.int8), 0)
    interpreter.invoke()
    with pytest.raises(RuntimeError):
        open_interpreter(import_runtime(), content, found.activations)


@only_x86
def test_model_that_does_not_run_is_refused_with_the_reason():
    content = write_model(kind="UINT8")
    sentence = r"m.tflite: .* does not run it \(.*UINT8.*\); convert it again"
    with pytest.raises(RequestError, match=sentence):
        measure_arena(content, "m.tflite")


@only_x86
@pytest.mark.parametrize(
    ("code", "reason"),
    [("import time; time.sleep(600)", "no result in"), ("os.abort()", "SIGABRT")],
)
def test_hang_and_crash_are_one_sentence(monkeypatch, code, reason):
    monkeypatch.setattr(arena, "_CHILD", f"import os; {code}")
    monkeypatch.setattr(arena, "_LIMIT_S", 2.0 if "sleep" in code else 60.0)
    with pytest.raises(RequestError, match=rf"does not run it \(.*{reason}.*\); conv"):
        measure_arena(write_model(kind="INT8"), "m.tflite")


def test_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite_micro.python.tflite_micro.runtime", None)
    with pytest.raises(RequestError, match="not installed .*pip install tflite-micro"):
        measure_arena(b"", "m.tflite")
