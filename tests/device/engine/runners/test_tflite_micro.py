"""Running a `.tflite` file with TensorFlow Lite Micro."""

import platform
import sys

import numpy as np
import pytest
from fixtures.small_models import write_model

from corallite.device.engine.runners import litert, tflite_micro
from corallite.device.model.archive import append_archive
from corallite.device.system.errors import RequestError

only_x86 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="tflite-micro is for x86-64 only"
)


@only_x86
def test_signature_and_outputs_are_those_of_litert(capfd):
    content = append_archive(write_model(kind="INT8"), {"labels.txt": b"a\n"})
    runner = tflite_micro.load("m.tflite", content=content)
    other = litert.load("m.tflite", content=content)
    assert runner.signature == other.signature
    (image,) = runner.signature.inputs
    inputs = {image.name: np.full(image.shape, 7, np.int8)}
    found, expected = runner.run(inputs), other.run(inputs)
    assert found.keys() == expected.keys()
    for name, scores in found.items():
        assert np.array_equal(scores, expected[name])
    assert capfd.readouterr().out == ""


@only_x86
def test_file_that_does_not_run_is_refused(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(write_model(kind="UINT8"))
    with pytest.raises(RequestError, match="m.tflite: .*Micro does not run it .*conv"):
        tflite_micro.load(path)


@only_x86
def test_input_of_another_shape_is_refused():
    runner = tflite_micro.load("m.tflite", content=write_model(kind="INT8"))
    with pytest.raises(ValueError, match="imension"):
        runner.run({runner.signature.inputs[0].name: np.zeros((1, 8, 8, 3), np.int8)})


def test_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite_micro.python.tflite_micro.runtime", None)
    with pytest.raises(RequestError, match="not installed .*pip install tflite-micro"):
        tflite_micro.load("m.tflite", content=write_model(kind="INT8"))
