"""Files of other runtimes: what they carry, and what is said of those that lack it."""

import importlib.util
import json

import numpy as np
import pytest

from corallite.device.engine.file_kind import find_kind
from corallite.device.engine.open_model import ModelRequest, open_model
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
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["column"]),
        helper.make_node("Gemm", ["column", "weights", "bias"], ["logits"]),
    ]
    constants = {"weights": weights, "bias": bias, "shape": np.array([1, 1])}
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


def test_a_file_is_known_by_its_name(tmp_path):
    names = {"a.onnx": "onnx_runtime", "a.XML": "openvino_runtime"}
    for name, runner in names.items():
        kind = find_kind(name)
        assert kind is not None and kind.runner == runner
    assert find_kind("a.tflite") is None and find_kind("a") is None
    folder = find_kind(tmp_path)
    assert folder is not None and folder.runner == "saved_model"
