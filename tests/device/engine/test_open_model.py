"""Which file runs on what, and what is refused before the first frame."""

import numpy as np
import pytest

from corallite.device.engine import open_model as model_request
from corallite.device.engine.classifier import Classifier
from corallite.device.engine.edgetpu.failover import Failover
from corallite.device.engine.open_model import ModelRequest, open_model
from corallite.device.engine.reload.hot_reload import HotReload
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest, SelfTest
from corallite.device.model.write import attach_manifest
from corallite.device.system.errors import RequestError

MANIFEST = Manifest.of_classifier(
    "tiny", "1", ("red", "green", "blue"), Preprocessing((32, 32))
)


@pytest.fixture
def files(tmp_path, tiny_models, edgetpu_model):
    """A compiled file, which carries no manifest, and the file it was made from."""
    model = tmp_path / "model_int8.tflite"
    model.write_bytes(attach_manifest(tiny_models["uint8"].read_bytes(), MANIFEST))
    compiled = tmp_path / "model_int8_edgetpu.tflite"
    compiled.write_bytes(edgetpu_model(14))
    return compiled, model


def open_file(path, **options):
    return open_model(ModelRequest(str(path), **options))


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_file_for_the_cpu_runs_there(files, device):
    engine = open_file(files[1], device=device)
    assert isinstance(engine, Classifier) and engine.labels == MANIFEST.labels
    assert engine.status().device == "cpu"


def test_file_for_the_cpu_is_refused_for_the_edgetpu(files):
    with pytest.raises(RequestError, match="is not compiled for the Edge TPU; give"):
        open_file(files[1], device="edgetpu:1")


def test_compiled_file_runs_with_the_manifest_of_its_cpu_fallback(files):
    engine = open_file(files[0], device="edgetpu")
    assert isinstance(engine, Failover) and engine.manifest == MANIFEST
    image = np.zeros((32, 32, 3), np.uint8)
    found = engine.run(image)
    assert isinstance(found, np.ndarray)
    assert np.array_equal(found, Classifier(files[1]).run(image))


def test_manifest_of_a_compiled_file_is_preferred(files):
    named = MANIFEST._replace(version="2")
    files[0].write_bytes(attach_manifest(files[0].read_bytes(), named))
    assert open_file(files[0], device="edgetpu").status().version == "2"


def test_compiled_file_on_the_cpu_is_its_cpu_fallback(files):
    assert isinstance(open_file(files[0], device="cpu"), Classifier)


@pytest.mark.parametrize("is_here", [True, False])
def test_auto_looks_for_an_edgetpu(files, monkeypatch, is_here):
    monkeypatch.setattr(model_request, "is_edgetpu_here", lambda: is_here)
    engine = open_file(files[0])
    assert isinstance(engine, Failover)
    try:
        engine.start()
        # There is no library for one, so that it shows whether it was tried.
        assert ("cannot be used" in engine.wait_started(60)) is is_here
        assert engine.status().state == ("lost" if is_here else "ready")
    finally:
        engine.stop()


def test_cpu_fallback_of_another_name(files):
    other = files[1].rename(files[1].with_name("other.tflite"))
    for device in ("cpu", "edgetpu"):
        engine = open_file(files[0], device=device, cpu_path=str(other))
        assert engine.labels == MANIFEST.labels


@pytest.mark.parametrize("name", ["model_int8_edgetpu.tflite", "compiled.tflite"])
def test_compiled_file_without_a_cpu_fallback_is_refused(files, name):
    files[1].unlink()
    path = files[0].rename(files[0].with_name(name))
    with pytest.raises(RequestError, match=f"{name}: is compiled.*with --cpu_model"):
        open_file(path)


def test_cpu_fallback_that_is_not_where_it_is_said_to_be_is_named(files):
    with pytest.raises(RequestError, match="gone.tflite: cannot be read"):
        open_file(files[0], cpu_path="gone.tflite")


def test_cpu_fallback_that_is_compiled_too_is_refused(files):
    files[1].write_bytes(files[0].read_bytes())
    with pytest.raises(RequestError, match="int8.tflite: is compiled for .*, too"):
        open_file(files[0])


def test_cpu_fallback_with_other_labels_is_refused(files):
    other = MANIFEST.with_classes(labels=("a", "b", "c"))
    files[0].write_bytes(attach_manifest(files[0].read_bytes(), other))
    with pytest.raises(RequestError, match="int8.tflite: has other labels than"):
        open_file(files[0])


@pytest.mark.parametrize(
    ("end", "sentence"),
    [(b"edgetpu-custom-op", "is damaged"), (bytes(17), "is damaged")],
)
def test_damaged_file_is_refused(tmp_path, end, sentence):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\xff\x7f\0\0TFL3" + end)
    with pytest.raises(RequestError, match=f"model.tflite: {sentence}"):
        open_file(path)


@pytest.mark.parametrize("path", ["", "/"])
def test_path_without_a_name_is_refused(path):
    with pytest.raises(RequestError, match="cannot be read"):
        HotReload(ModelRequest(path))


def test_request_overrides_what_the_file_says(files, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\nc\n")
    request = ModelRequest(
        str(files[1]), "cpu", None, str(labels), "pad", (0.0, 0.9), num_threads=2
    )
    engine = open_model(request)
    assert engine.labels == ("a", "b", "c") and engine.preprocessing.fit == "pad"
    assert engine.manifest.image.input_range == (0.0, 0.9)


def test_other_range_has_no_selftest(files, tiny_models):
    manifest = MANIFEST._replace(selftest=SelfTest(1, 0, 0.9))
    content = tiny_models["uint8"].read_bytes()
    files[1].write_bytes(attach_manifest(content, manifest))
    assert open_file(files[1]).manifest.selftest == SelfTest(1, 0, 0.9)
    assert open_file(files[1], input_range=(0.0, 0.9)).manifest.selftest is None
