"""Model files that run in their own process."""

import os

import pytest

from corallite.device.doctor.check_model import check_run
from corallite.device.doctor.machine import Machine
from corallite.device.doctor.survey_model import survey_model
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest, SelfTest
from corallite.device.model.write import attach_manifest

MANIFEST = Manifest.of_classifier(
    "tiny", "1", ("red", "green", "blue"), Preprocessing((32, 32))
)
# A TFLite runtime that works until the first inference.
RUNTIME = """
import ctypes, time
class Interpreter:
    def __init__(self, **options): pass
    def allocate_tensors(self): pass
    def get_input_details(self): return []
    get_output_details = get_input_details
    def invoke(self): {}
"""


def survey(path, **options):
    model = survey_model(Machine(), str(path), **options).model
    assert model is not None and model.path == str(path)
    return model


@pytest.fixture
def model_of(tiny_models, tmp_path):
    """A function that writes a model with a manifest."""

    def model_of(manifest):
        path = tmp_path / "model.tflite"
        content = tiny_models["uint8"].read_bytes()
        path.write_bytes(attach_manifest(content, manifest))
        return path

    return model_of


def test_model_with_a_manifest_runs(model_of):
    model = survey(model_of(MANIFEST))
    assert (model.failure, model.crashed) == ("", False)
    assert model.has_manifest and model.labels == 3
    assert model.latency_ms > 0 and model.min_runtime
    assert model.min_edgetpu_runtime is None


def test_third_party_model_runs_without_a_manifest(tiny_models):
    model = survey(tiny_models["float32"])
    assert model.failure == "" and not model.has_manifest and model.latency_ms > 0


def test_manifest_of_another_model_is_reported(model_of):
    manifest = Manifest.of_classifier(
        "tiny", "1", ("red", "green"), Preprocessing((32, 32))
    )
    model = survey(model_of(manifest))
    assert model.is_readable
    assert "has 3 outputs but 2 labels" in model.failure and not model.crashed


def test_model_that_fails_its_self_test_is_reported(model_of):
    path = model_of(MANIFEST._replace(selftest=SelfTest(1, 2, 0.99)))
    finding = check_run(Machine(), survey(path))
    assert "fails its self-test (its probability for a test image is" in finding.text
    assert finding.remedy == "copy or convert it again"


@pytest.mark.parametrize(
    ("content", "failure"),
    [
        (None, "model.tflite: cannot be read (No such file or directory)"),
        ("folder", "model.tflite: cannot be read (Is a directory)"),
        ("pipe", "model.tflite: cannot be read (is not a regular file)"),
        (b"milk and eggs", "model.tflite: not a TFLite model"),
        (b"\x1c\0\0\0TFL3", "model.tflite: is damaged"),
    ],
)
def test_file_that_is_not_a_model_is_reported(tmp_path, content, failure):
    path = tmp_path / "model.tflite"
    if content == "folder":
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    elif content is not None:
        path.write_bytes(content)
    model = survey(path)
    assert failure in model.failure and not model.is_readable


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """A function that replaces the installed runtime."""

    def runtime(invoke):
        package = tmp_path / "ai_edge_litert"
        package.mkdir()
        for name in ("__init__.py", "interpreter.py"):
            (package / name).write_text(RUNTIME.format(invoke))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return runtime


def test_model_that_crashes_the_runtime_is_reported(tiny_models, runtime):
    runtime("ctypes.string_at(0)")
    model = survey(tiny_models["int8"])
    assert model.crashed and model.failure == "crashed with SIGSEGV"
    assert model.min_runtime  # Known without the runtime.


def test_hanging_model_is_reported(tiny_models, runtime):
    runtime("time.sleep(1000)")
    model = survey(tiny_models["int8"], timeout_s=1)
    assert model.crashed and model.failure == "no result in 1 s"


def test_missing_edgetpu_library_is_reported(tmp_path, edgetpu_model):
    path = tmp_path / "model_edgetpu.tflite"
    path.write_bytes(edgetpu_model(14))
    model = survey(path)
    assert model.min_edgetpu_runtime == 14
    assert "libedgetpu.so.1" in model.failure and not model.crashed


@pytest.mark.parametrize(
    ("name", "fallback", "has_fallback"),
    [
        ("model_edgetpu.tflite", "model.tflite", True),
        ("model_edgetpu.tflite", "other.tflite", False),
        ("model.tflite", "model.tflite", False),  # A model is not its own fallback.
    ],
)
def test_cpu_fallback_is_searched_where_classify_does(
    tmp_path, edgetpu_model, name, fallback, has_fallback
):
    (tmp_path / fallback).touch()
    path = tmp_path / name
    path.write_bytes(edgetpu_model(14))
    assert survey(path).has_twin is has_fallback
