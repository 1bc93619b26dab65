"""Classifying with real files of each type, and arithmetic with a fake interpreter."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fixtures.model_writer import ModelWriter

from corallite.device.engine.classifier import Classifier, Prediction, top_k
from corallite.device.engine.runners.litert import LiteRtRunner
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model import selftest
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system.errors import RequestError

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
MANIFEST = Manifest.of_classifier("tiny", "1", tuple(COLOURS), Preprocessing((32, 32)))
FORMAT_1 = Path(__file__).parents[2] / "data" / "format_1.tflite"

NO_OUTPUT = np.zeros(3, np.uint8)


class FakeInterpreter:
    """Gives `raw` for any input, and keeps what it was given."""

    def __init__(
        self,
        dtype=np.uint8,
        quantization=(1 / 255, 0),
        raw=NO_OUTPUT,
        shape=None,
    ):
        self.raw = raw[np.newaxis]
        self.given = np.zeros(0)
        self._input = {"shape": np.array(shape or [1, 2, 2, 3]), "dtype": dtype}
        self._input |= {"index": 0, "name": "input", "quantization": quantization}
        self.output = {"shape": np.array(self.raw.shape), "dtype": self.raw.dtype.type}
        self.output |= {"index": 1, "name": "output", "quantization": (0.5, -1)}

    def get_input_details(self):
        return [self._input]

    def get_output_details(self):
        return [self.output]

    def set_tensor(self, index, value):
        assert index == 0 and value.dtype == self._input["dtype"]
        self.given = value

    def invoke(self):
        pass

    def get_tensor(self, index):
        assert index == 1
        return self.raw


def classifier_of(interpreter, **changes):
    manifest = MANIFEST.with_image(preprocessing=Preprocessing((2, 2)), **changes)
    runner = LiteRtRunner(interpreter)
    return Classifier("fake.tflite", manifest=manifest, runner=runner)


def pixels(*values):
    return np.array(values, np.uint8).reshape(2, 2, 3)


@pytest.mark.parametrize("kind", ["uint8", "int8", "float32"])
def test_every_type_of_file_recognizes_colours(tiny_models, kind):
    classifier = Classifier(tiny_models[kind], manifest=MANIFEST)
    for label, colour in COLOURS.items():
        image = np.full((50, 70, 3), colour, np.uint8)
        probabilities = classifier.classify(image)
        assert probabilities.dtype == np.float32 and probabilities.shape == (3,)
        # Three outputs, each rounded to 1/256.
        assert abs(probabilities.sum() - 1) <= 1.5 / 256 + 1e-6
        assert top_k(probabilities, classifier.labels, 1)[0].label == label


def test_quantized_files_agree_with_the_float_one(tiny_models):
    reference = Classifier(tiny_models["float32"], manifest=MANIFEST)
    image = np.random.default_rng(3).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    image[..., 1] //= 2
    expected = reference.run(image)
    for kind in ("uint8", "int8"):
        found = Classifier(tiny_models[kind], manifest=MANIFEST).run(image)
        # Steps of the input, the convolution, the mean and the output add up to
        # about three of the output's 1/256.
        assert np.abs(found - expected).max() <= 3 / 256


def test_manifest_in_the_file_is_enough(tiny_models, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(attach_manifest(tiny_models["uint8"].read_bytes(), MANIFEST))
    classifier = Classifier(path)
    assert classifier.labels == ("red", "green", "blue")
    assert classifier.preprocessing == Preprocessing((32, 32))
    assert classifier.manifest == MANIFEST


def test_file_without_manifest_is_refused(tiny_models):
    with pytest.raises(RequestError, match="give classify or serve --labels=FILE"):
        Classifier(tiny_models["uint8"])


def test_raw_pixels_go_in_untouched():
    interpreter = FakeInterpreter()
    image = pixels(*range(0, 240, 20))
    classifier_of(interpreter).run(image)
    assert np.shares_memory(interpreter.given, image)
    assert (interpreter.given[0] == image).all()


@pytest.mark.parametrize(
    ("dtype", "quantization", "input_range", "expected"),
    [
        (np.int8, (1 / 255, -128), (0, 1), [-128, -127, 0, 127]),
        (np.int8, (1 / 128, 0), (-1, 1), [-128, -127, 1, 127]),
        (np.uint8, (1 / 128, 128), (-1, 1), [0, 1, 129, 255]),
        # A calibrated range that ends at 0.8: brighter pixels are clipped.
        (np.uint8, (0.8 / 255, 0), (0, 1), [0, 1, 160, 255]),
        (np.uint8, (0.0, 0), (0, 1), [0, 1, 128, 255]),
        (np.float32, (0.0, 0), (0, 1), [0, 1 / 255, 128 / 255, 1]),
        (np.float32, (0.0, 0), (-1, 1), [-1, 2 / 255 - 1, 256 / 255 - 1, 1]),
    ],
)
def test_pixels_become_what_the_input_holds(dtype, quantization, input_range, expected):
    interpreter = FakeInterpreter(dtype, quantization)
    classifier = classifier_of(interpreter, input_range=input_range)
    classifier.run(pixels(*([0, 1, 128, 255] * 3)))
    # Floats: rounding of one float32 operation.
    assert np.allclose(interpreter.given.reshape(-1)[:4], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "quantization", "input_range"),
    [
        (np.uint8, (1 / 128, 128), (0, 1)),
        (np.int8, (1 / 255, -128), (-1, 1)),
        (np.int8, (1.0, -128), (0, 1)),
        (np.int8, (0.0, 0), (0, 1)),
    ],
)
def test_pixels_in_a_range_the_model_does_not_take_are_refused(
    dtype, quantization, input_range
):
    interpreter = FakeInterpreter(dtype, quantization)
    with pytest.raises(RequestError, match="its input holds .*--input_range"):
        classifier_of(interpreter, input_range=input_range)


def test_a_range_that_float32_does_not_hold_is_refused():
    # As by TFLite Metadata with a standard deviation of almost 0.
    interpreter = FakeInterpreter(np.float32, (0.0, 0))
    with pytest.raises(RequestError, match="which float32 does not hold; set --input"):
        classifier_of(interpreter, input_range=(0, 2.55e42))


@pytest.mark.parametrize(
    ("raw", "quantization", "expected"),
    [
        (np.array([0, 128, 255], np.uint8), (1 / 256, 0), [0, 0.5, 255 / 256]),
        (np.array([-128, 0, 127], np.int8), (1 / 256, -128), [0, 0.5, 255 / 256]),
        (np.array([0, 10, 255], np.uint8), (0.5, 10), [-5, 0, 122.5]),
        (np.array([0.1, 0.2, 0.7], np.float32), (0.0, 0), [0.1, 0.2, 0.7]),
    ],
)
def test_outputs_are_dequantized(raw, quantization, expected):
    interpreter = FakeInterpreter(raw=raw)
    interpreter.output["quantization"] = quantization
    probabilities = classifier_of(interpreter).run(pixels(*range(12)))
    assert probabilities.dtype == np.float32
    assert np.allclose(probabilities, expected, rtol=1e-7)


@pytest.mark.parametrize(
    ("interpreter", "sentence"),
    [
        (FakeInterpreter(shape=[1, 2, 2, 4]), "takes RGBA images"),
        (FakeInterpreter(shape=[4, 2, 2, 3]), "takes 4 images at once"),
        (FakeInterpreter(shape=[1, 2, 4, 3]), r"takes images of \(2, 4\)"),
        (FakeInterpreter(np.int32), "'input' is int32, expected one of uint8"),
        (FakeInterpreter(raw=np.zeros(3, np.int32)), "'output' is int32"),
        (FakeInterpreter(raw=np.zeros(4, np.uint8)), "has 4 outputs but 3 labels"),
        (FakeInterpreter(raw=np.zeros((2, 3), np.uint8)), "gives 1x2x3"),
    ],
)
def test_models_of_another_kind_are_refused(interpreter, sentence):
    with pytest.raises(RequestError, match=f"^fake.tflite: .*{sentence}"):
        classifier_of(interpreter)


def test_integer_output_without_a_scale_is_refused():
    interpreter = FakeInterpreter()
    interpreter.output["quantization"] = (0.0, 0)
    with pytest.raises(RequestError, match="uint8 without a scale"):
        classifier_of(interpreter)


@pytest.mark.parametrize(
    "image", [np.zeros((3, 2, 3), np.uint8), np.zeros((2, 2, 3), np.float32)]
)
def test_pixels_of_another_shape_or_type_are_refused(image):
    classifier = classifier_of(FakeInterpreter())
    with pytest.raises(ValueError, match="`pixels_u8` to be uint8"):
        classifier.run(image)


def test_top_k_is_sorted_and_keeps_the_order_of_equals():
    probabilities = np.array([0.25, 0.5, 0.25], np.float32)
    best = top_k(probabilities, ("a", "b", "c"), 2)
    assert best == [Prediction("b", 0.5), Prediction("a", 0.25)]
    assert [p.label for p in top_k(probabilities, ("a", "b", "c"), 9)] == [
        "b",
        "a",
        "c",
    ]


def test_model_that_loads_and_does_not_run_is_refused(tiny_models, tmp_path):
    flatbuffers = pytest.importorskip("flatbuffers")
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromPackedBuf(tiny_models["uint8"].read_bytes())
    graph = model.subgraphs[0]
    # Its first operator reads a tensor that nothing fills.
    first, *others = graph.operators[0].inputs
    graph.tensors.append(graph.tensors[first])
    graph.operators[0].inputs = np.array([len(graph.tensors) - 1, *others], np.int32)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path = tmp_path / "hollow.tflite"
    path.write_bytes(builder.Output())
    classifier = Classifier(path, manifest=MANIFEST)
    with pytest.raises(RequestError, match=r"hollow.tflite: cannot be run \(.*data"):
        classifier.run(np.zeros((32, 32, 3), np.uint8))


def test_an_output_that_nothing_fills_is_refused(tmp_path):
    writer, path = ModelWriter(), tmp_path / "model.tflite"
    image = writer.tensor((1, 32, 32, 3), "FLOAT32", scales=())
    writer.graph.inputs = [image]
    output = writer.tensor((1, 3), "FLOAT32", scales=())
    path.write_bytes(writer.content(output))
    classifier = Classifier(path, manifest=MANIFEST)
    with pytest.raises(RequestError, match=r"model.tflite: cannot be run \(.*null"):
        classifier.run(np.zeros((32, 32, 3), np.uint8))


def test_it_loads_with_the_numpy_of_32_bit_arm():
    # 1.26, whose `iinfo` takes no brackets.
    code = "import numpy as np; np.iinfo = type('iinfo', (), {})\n"
    code += "import corallite.device.engine.classifier"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_with_a_manifest_of_format_1_is_read_and_answers_as_it_did():
    """Written before format 2, with what it then answered for the drawn images."""
    classifier = Classifier(FORMAT_1)
    labels = ("red", "Käse", "blue")
    described = Manifest.of_classifier(
        "tiny", "1", labels, Preprocessing((32, 32), "pad")
    )
    assert classifier.manifest.inputs == described.inputs
    assert classifier.manifest.outputs == described.outputs
    selftest.check(classifier)
    expected = [
        [0.62890625, 0.23046875, 0.140625],
        [0.140625, 0.62890625, 0.23046875],
        [0.23046875, 0.13671875, 0.6328125],
    ]
    # Kernels of another processor may round by a step of the output.
    assert np.allclose(selftest.ask(classifier), expected, rtol=0, atol=1 / 256)
    rewritten = attach_manifest(FORMAT_1.read_bytes(), classifier.manifest)
    content = read_manifest(FORMAT_1, rewritten)
    assert content == classifier.manifest and b'"format": 2' in rewritten
