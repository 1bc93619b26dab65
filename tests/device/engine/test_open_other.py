"""Files of other runtimes: what they carry, and what is said of those that lack it."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from corallite.device.engine.file_kind import find_kind, list_files
from corallite.device.engine.open_model import ModelRequest, open_model
from corallite.device.engine.runners import openvino_runtime, saved_model
from corallite.device.image.spec import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.system.errors import RequestError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
LABELS = ("dark", "bright")


def make_onnx(path, manifest=None, size=4):
    """Writes a model whose logit of "bright" is the mean of the pixels minus 0.5."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weights = np.array([[-1.0, 1.0]], np.float32)
    bias = np.array([0.5, -0.5], np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3]),
        helper.make_node("Flatten", ["mean"], ["column"]),
        helper.make_node("Gemm", ["column", "weights", "bias"], ["logits"]),
    ]
    constants = {"weights": weights, "bias": bias}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", kind, ["batch", 3, size, size])],
        [helper.make_tensor_value_info("logits", kind, ["batch", 2])],
        [onnx.numpy_helper.from_array(x, name) for name, x in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    if manifest is not None:
        entry = model.metadata_props.add()
        entry.key, entry.value = "corallite", manifest
    path.write_bytes(model.SerializeToString())
    return str(path)


def describe(labels=LABELS, values="logits"):
    manifest = Manifest.of_classifier("tiny", "1", labels, Preprocessing((4, 4)))
    return json.dumps(manifest.with_classes(values=values).to_json())


def fill(value):
    return np.full((9, 7, 3), value, np.uint8)


def test_a_file_with_manifest_needs_nothing_else(tmp_path):
    engine = open_model(ModelRequest(make_onnx(tmp_path / "a.onnx", describe())))
    assert engine.labels == LABELS
    # The logits of white are (-0.5, 0.5).
    assert engine.classify(fill(255)) == pytest.approx([0.2689, 0.7311], abs=1e-4)
    assert engine.classify(fill(0)) == pytest.approx([0.7311, 0.2689], abs=1e-4)


def test_without_manifest_the_user_says_what_it_is(tmp_path):
    (tmp_path / "labels.txt").write_text("dark\nbright\n")
    path = make_onnx(tmp_path / "a.onnx")
    with pytest.raises(RequestError, match="carries no manifest; give .*--labels=FILE"):
        open_model(ModelRequest(path))
    labels = str(tmp_path / "labels.txt")
    with pytest.raises(RequestError, match="--output=probabilities or --output=logits"):
        open_model(ModelRequest(path, labels_path=labels))
    engine = open_model(ModelRequest(path, labels_path=labels, output="logits"))
    assert engine.classify(fill(255)) == pytest.approx([0.2689, 0.7311], abs=1e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot be run"), (b"\x08\x07garbage" * 9, "cannot be run")],
)
def test_a_damaged_file_is_one_sentence(tmp_path, content, message):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=message) as caught:
        open_model(ModelRequest(str(path)))
    assert "\n" not in str(caught.value)


def test_a_damaged_manifest_is_named(tmp_path):
    path = make_onnx(tmp_path / "a.onnx", '{"format": 2}')
    with pytest.raises(RequestError, match="its manifest is damaged"):
        open_model(ModelRequest(path))


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    with pytest.raises(RequestError, match="none.onnx: "):
        open_model(ModelRequest(str(tmp_path / "none.onnx")))
    path = make_onnx(tmp_path / "a.onnx", describe())
    with pytest.raises(RequestError, match="only a .tflite file can be compiled"):
        open_model(ModelRequest(path, device="edgetpu"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(
        RequestError, match="needs onnxruntime, .*: pip install onnxruntime"
    ):
        open_model(ModelRequest(path))


def test_openvino_needs_both_files(tmp_path):
    pytest.importorskip("openvino")
    (tmp_path / "a.xml").write_text("<net/>")
    with pytest.raises(RequestError, match=r"a\.bin: .*\.xml and the \.bin file"):
        open_model(ModelRequest(str(tmp_path / "a.xml")))
    (tmp_path / "a.bin").write_bytes(b"")
    with pytest.raises(RequestError, match="a.xml: cannot be run"):
        open_model(ModelRequest(str(tmp_path / "a.xml")))


def test_an_image_of_any_size_is_refused(tmp_path):
    path = make_onnx(tmp_path / "a.onnx", size="any")
    with pytest.raises(RequestError, match="takes images of any size; export it with"):
        (tmp_path / "labels.txt").write_text("dark\nbright\n")
        labels = str(tmp_path / "labels.txt")
        open_model(ModelRequest(path, labels_path=labels, output="logits"))


def test_weights_beside_the_file_are_found(tmp_path, monkeypatch):
    path = make_onnx(tmp_path / "a.onnx", describe())
    model = onnx.load(path)
    onnx.save_model(
        model,
        path,
        save_as_external_data=True,
        location="a.weights",
        size_threshold=0,
    )
    assert (tmp_path / "a.weights").exists()
    # Not the working folder.
    monkeypatch.chdir(tmp_path.parent)
    engine = open_model(ModelRequest(path))
    assert engine.classify(fill(255)) == pytest.approx([0.2689, 0.7311], abs=1e-4)


def test_a_package_that_cannot_be_imported_is_named(tmp_path, monkeypatch):
    path = make_onnx(tmp_path / "a.onnx", describe())
    real = importlib.import_module

    def fail(name, *others):
        if name == "onnxruntime":
            raise ImportError("libfoo.so.1: cannot open shared object file")
        return real(name, *others)

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(RequestError, match="onnxruntime cannot be imported .libfoo"):
        open_model(ModelRequest(path))


def test_a_folder_without_a_saved_model_is_named(tmp_path):
    with pytest.raises(RequestError, match=r"not a SavedModel; .* saved_model\.pb"):
        saved_model.read(tmp_path)
    with pytest.raises(RequestError, match="check its name"):
        saved_model.read(tmp_path / "none")
    (tmp_path / "frozen.pb").write_bytes(b"x")
    with pytest.raises(RequestError, match="not a SavedModel"):
        saved_model.read(tmp_path / "frozen.pb")


def test_all_files_of_a_model_are_watched(tmp_path):
    assert list_files("a.onnx") == [Path("a.onnx")]
    assert list_files("m/a.xml") == [Path("m/a.xml"), Path("m/a.bin")]
    (tmp_path / "variables").mkdir()
    for name in ("variables/data", "saved_model.pb"):
        (tmp_path / name).write_bytes(b"x")
    parts = [tmp_path / "saved_model.pb", tmp_path / "variables" / "data"]
    assert list_files(tmp_path) == list_files(tmp_path / "saved_model.pb") == parts


def test_the_reason_in_an_error_of_openvino_is_found():
    text = (
        "Exception from src/inference/src/cpp/core.cpp:84:\n"
        "Check 'size == 3' failed at src/frontends/ir/model.cpp:12:\n"
        "[ IR ] Weights are too small\n"
    )
    explained = openvino_runtime.explain(RuntimeError(text))
    assert explained == "[ IR ] Weights are too small"


def test_a_file_is_known_by_its_name(tmp_path):
    names = {"a.onnx": "onnx_runtime", "a.XML": "openvino_runtime"}
    for name, runner in names.items():
        kind = find_kind(name)
        assert kind is not None and kind.runner == runner
    assert find_kind("a.tflite") is None and find_kind("a") is None
    assert find_kind(tmp_path) is None
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    folder = find_kind(tmp_path)
    assert folder is not None and folder.runner == "saved_model"
