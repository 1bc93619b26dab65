"""Detectors on each runtime: the same boxes, in pixels of the image."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from fixtures.tiny_detector import (
    LABELS,
    describe,
    make_classifier,
    make_detector,
    paint,
)

from corallite.device.engine.base import AcceleratedEngine, Detection
from corallite.device.engine.open_model import ModelRequest, open_model
from corallite.device.engine.reload.hot_reload import HotReload
from corallite.device.model import selftest
from corallite.device.system.errors import RequestError

CELLS = (1, 2, "red"), (5, 6, "blue")
# Of 64 x 64 pixels: centres (20, 12) and (52, 44), 16 wide and 8 high.
EXPECTED = {"red": (12, 8, 28, 16), "blue": (44, 40, 60, 48)}
# PLACE is rounded to 1/255, then to 1/256: each edge of 64 pixels by 0.4 at most.
TOLERANCE = 0.4


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "detector.tflite"
    found.write_bytes(make_detector())
    return str(found)


def find(engine, image) -> Detection:
    answer = engine.classify(image)
    assert isinstance(answer, Detection)
    return answer


def require_expected(found: Detection, factors=(1, 1)):
    assert [box.label for box in found.boxes] == list(EXPECTED)
    for box in found.boxes:
        assert box.score == pytest.approx(1)
        expected = np.array(EXPECTED[box.label]) * (*factors, *factors)
        assert np.allclose(box[2:], expected, atol=TOLERANCE * max(factors))


def test_boxes_are_in_pixels_of_the_image(path):
    engine = open_model(ModelRequest(path))
    require_expected(find(engine, paint(*CELLS)))
    require_expected(find(engine, paint(*CELLS, size_hw=(320, 320))), (5, 5))
    assert find(engine, paint()).boxes == ()
    assert not find(engine, paint()).probabilities.size


def test_boxes_are_where_the_crop_was(tmp_path):
    """The image is twice as wide as high: the crop begins at a quarter of it."""
    path, image = tmp_path / "a.tflite", np.zeros((64, 128, 3), np.uint8)
    image[:, 32:96] = paint(*CELLS)
    path.write_bytes(make_detector(describe(fit="crop")))
    found = find(open_model(ModelRequest(str(path))), image).boxes[0]
    assert found[2:] == pytest.approx((44, 8, 60, 16), abs=TOLERANCE)


def test_boxes_are_without_the_black_bars(tmp_path):
    """Bars above and below: a box in them has no pixel of the image."""
    path = tmp_path / "a.tflite"
    path.write_bytes(make_detector(describe(fit="pad")))
    image = paint((0, 2, "red"))[:32]
    (box,) = find(open_model(ModelRequest(str(path))), image).boxes
    assert box[2:] == pytest.approx((12, 0, 28, 8), abs=TOLERANCE)


def test_the_threshold_of_the_request_replaces_that_of_the_manifest(path):
    dark = paint(*CELLS) // 4
    assert find(open_model(ModelRequest(path)), dark).boxes == ()
    low = open_model(ModelRequest(path, threshold=0.2))
    assert len(find(low, dark).boxes) == 2


def test_a_model_may_have_classes_too(tmp_path):
    path = tmp_path / "both.tflite"
    manifest = describe(("a", "b", "c"), classes=("warm", "grass", "sky"))
    path.write_bytes(make_detector(manifest))
    engine = open_model(ModelRequest(str(path)))
    found = find(engine, paint(*CELLS, (7, 7, "blue")))
    assert engine.labels[found.probabilities.argmax()] == "sky"
    # The heatmap's labels are those of the boxes.
    assert {box.label for box in found.boxes} == {"a", "c"}
    assert engine.manifest.all_labels == ("warm", "grass", "sky", "a", "b", "c")
    selftest.check(engine)


def test_the_self_test_knows_the_file_and_no_other(tmp_path, path):
    engine = open_model(ModelRequest(path))
    known = selftest.record(engine)
    recorded = engine.manifest._replace(selftest=known)
    selftest.check(engine)
    named = tmp_path / "recorded.tflite"
    named.write_bytes(make_detector(recorded))
    selftest.check_recorded(open_model(ModelRequest(str(named))), named)
    wrong = recorded._replace(selftest=known._replace(probability=0.1))
    named.write_bytes(make_detector(wrong))
    with pytest.raises(RequestError, match="fails its self-test"):
        selftest.check_recorded(open_model(ModelRequest(str(named))), named)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"heatmap": "peaks"}, r"has no output 'peaks' \(boxes 1x8x8x4, heatmap"),
        ({"stride": 16}, "output 'heatmap' is 1x8x8x3, but its manifest says 1x4x4x3"),
        ({"boxes": "heatmap", "heatmap": "boxes"}, "output 'boxes' is 1x8x8x4, but"),
        ({"labels": ("a", "b")}, "'heatmap' is 1x8x8x3, but its manifest says 1x8x8x2"),
    ],
)
def test_another_file_than_the_manifest_describes_is_refused(
    path, tmp_path, changes, sentence
):
    other = tmp_path / "other.tflite"
    other.write_bytes(make_detector(describe().with_boxes(**changes)))
    with pytest.raises(RequestError, match=sentence):
        open_model(ModelRequest(str(other)))


def test_what_cannot_be_said_of_a_detector_is_refused(path, tmp_path):
    with pytest.raises(RequestError, match="leave --output of classify out"):
        open_model(ModelRequest(path, output="logits"))
    labels = tmp_path / "labels.txt"
    labels.write_text("one\ntwo\n")
    with pytest.raises(RequestError, match="has 3 labels but --labels of classify has"):
        open_model(ModelRequest(path, labels_path=str(labels)))
    labels.write_text("one\ntwo\nthree\n")
    engine = open_model(ModelRequest(path, labels_path=str(labels)))
    assert [x.label for x in find(engine, paint(*CELLS)).boxes] == ["one", "three"]


def make_onnx(path, manifest):
    """Writes the same detector in ONNX, whose images have the channels first."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    place = np.array([0.5, 0.5, 0.25, 0.125], np.float32).reshape(1, 1, 1, 4)
    shape = np.array([1, 8, 8, 4], np.int64)
    nodes = [
        helper.make_node(
            *("AveragePool", ["image"], ["pooled"]),
            kernel_shape=[8, 8],
            strides=[8, 8],
        ),
        helper.make_node("Transpose", ["pooled"], ["heatmap"], perm=[0, 2, 3, 1]),
        helper.make_node("Expand", ["place", "shape"], ["boxes"]),
    ]
    constants = {"place": place, "shape": shape}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", kind, [1, 3, 64, 64])],
        [
            helper.make_tensor_value_info("heatmap", kind, [1, 8, 8, 3]),
            helper.make_tensor_value_info("boxes", kind, [1, 8, 8, 4]),
        ],
        [onnx.numpy_helper.from_array(x, name) for name, x in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    entry = model.metadata_props.add()
    entry.key, entry.value = "corallite", json.dumps(manifest.to_json())
    path.write_bytes(model.SerializeToString())


def test_detectors_run_on_onnx_runtime(tmp_path):
    pytest.importorskip("onnxruntime")
    make_onnx(tmp_path / "a.onnx", describe())
    engine = open_model(ModelRequest(str(tmp_path / "a.onnx")))
    require_expected(find(engine, paint(*CELLS)))
    with pytest.raises(RequestError, match="leave --output of classify out"):
        open_model(ModelRequest(str(tmp_path / "a.onnx"), output="logits"))


def test_detectors_run_on_openvino(tmp_path):
    openvino = pytest.importorskip("openvino")
    make_onnx(tmp_path / "a.onnx", describe())
    model = openvino.Core().read_model(tmp_path / "a.onnx")
    model.set_rt_info(json.dumps(describe().to_json()), ["corallite", "manifest"])
    openvino.save_model(model, tmp_path / "a.xml", compress_to_fp16=False)
    engine = open_model(ModelRequest(str(tmp_path / "a.xml")))
    require_expected(find(engine, paint(*CELLS)))


def test_detectors_run_on_tflite_micro(path):
    pytest.importorskip("tflite_micro")
    from corallite.device.engine.detect.open_file import open_file
    from corallite.device.engine.runners import tflite_micro

    engine = open_file(path, runner=tflite_micro.load(path))
    require_expected(find(engine, paint(*CELLS)))


def test_the_edgetpu_gives_boxes_and_the_cpu_replaces_it(tmp_path, edgetpu, wait_until):
    cpu, compiled = tmp_path / "m.tflite", tmp_path / "m_edgetpu.tflite"
    cpu.write_bytes(make_detector())
    compiled.write_bytes(edgetpu.compile(make_detector(), describe()))
    engine = open_model(ModelRequest(str(compiled), device="edgetpu"))
    assert isinstance(engine, AcceleratedEngine)
    engine.start()
    try:
        assert engine.wait_started(60) == ""
        require_expected(find(engine, paint(*CELLS)))
        assert engine.status().device == "edgetpu"
        edgetpu.mode = "crashes"
        require_expected(find(engine, paint(*CELLS)))
        assert engine.status().device == "cpu"
    finally:
        engine.stop()


def test_labels_of_boxes_are_all_of_the_file(path):
    assert open_model(ModelRequest(path)).labels == LABELS


def test_a_detector_replaces_a_detector_and_no_classifier(path, wait_until):
    target, mine = Path(path), describe(("a", "b", "c"))
    with contextlib.closing(HotReload(ModelRequest(path), look_s=0.01)) as engine:
        engine.start()
        target.write_bytes(make_detector(mine._replace(version="2")))
        # The model changes with a prediction.
        wait_until(lambda: find(engine, paint(*CELLS)).boxes[0].label == "a")
        wait_until(lambda: engine.status().swaps == 1)
        target.write_bytes(make_classifier())
        wait_until(lambda: "only one of it and" in engine.status().last_error)
        assert find(engine, paint(*CELLS)).boxes[1].label == "c"


def test_no_detector_replaces_a_classifier(path, wait_until):
    target = Path(path)
    target.write_bytes(make_classifier())
    with contextlib.closing(HotReload(ModelRequest(path), look_s=0.01)) as engine:
        engine.start()
        target.write_bytes(make_detector())
        wait_until(lambda: "former model is a detector" in engine.status().last_error)
        assert len(engine.classify(paint(*CELLS))) == 3
