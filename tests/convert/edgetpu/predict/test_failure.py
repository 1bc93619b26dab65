"""Errors that stop the Edge TPU compiler."""

import pytest

from corallite.convert.edgetpu.predict.compilers import VERSION
from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.tflite.reader import decode


def predicted(writer, *outputs, **options):
    return predict(decode(writer.content(*outputs)), **options)


def test_a_version_the_compiler_cannot_parse_stops_it(writer):
    """A grouped convolution."""
    x = writer.chain("CONV_2D")
    writer.conv(x, version=6)
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.subgraphs) == ((), 0)
    assert prediction.first_cut == 1
    assert "opcode 'CONV_2D' version '6'" in prediction.failure
    assert prediction.status == {0: "Model could not be parsed", 1: VERSION}
    assert "SPLIT" in prediction.suggestion


def test_an_unknown_version_in_another_graph_stops_it_too(writer, make_writer):
    """TFLite looks up all declared operator codes before it reads a graph."""
    writer.chain("CONV_2D")
    other = make_writer()
    other.model.operatorCodes = writer.model.operatorCodes
    other.conv(other.input(), version=6)
    writer.model.subgraphs.append(other.graph)
    for tensor in other.graph.tensors:
        tensor.buffer = 0
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((), None)
    assert "opcode 'CONV_2D' version '6'" in prediction.failure
    assert prediction.status == {0: "Model could not be parsed"}


@pytest.mark.parametrize(("name", "code"), [("GELU", 150), ("STABLEHLO_ADD", 163)])
def test_a_type_newer_than_the_compiler_is_out_of_range(writer, name, code):
    writer.operator(name, [writer.conv(writer.input())], None)
    prediction = predicted(writer)
    assert prediction.failure == f"Op builtin_code out of range: {code}."
    assert prediction.first_cut == 1
    assert prediction.suggestion


def test_a_type_without_a_name_yet_is_out_of_range(writer):
    writer.operator("ADD", [writer.input()] * 2, None)
    writer.model.operatorCodes[0].builtinCode = 999
    writer.model.operatorCodes[0].deprecatedBuiltinCode = 127
    assert predicted(writer).failure == "Op builtin_code out of range: 999."


@pytest.mark.parametrize(
    ("name", "version", "compiler", "parsed"),
    [
        # Issues of google-coral/edgetpu with the compiler's output: 45, 147, 210,
        # 340, 384, 631, 845, 879; libedgetpu 71.
        ("RESIZE_BILINEAR", 3, "2.0", False),
        ("TRANSPOSE_CONV", 3, "2.1", False),
        ("CONV_2D", 5, "14.1", False),
        ("REVERSE_V2", 3, "15.0", False),
        ("RSQRT", 2, "15.0", False),
        ("EXP", 2, "16.0", False),
        ("CONV_2D", 6, "16.0", False),
        ("TRANSPOSE_CONV", 4, "16.0", False),
        ("QUANTIZE", 3, "16.0", False),
        ("GELU", 1, "16.0", False),
        ("STABLEHLO_ADD", 1, "16.0", False),
        ("RESIZE_BILINEAR", 3, "14.1", True),
        ("RESIZE_NEAREST_NEIGHBOR", 3, "15.0", True),
        ("FULLY_CONNECTED", 5, "16.0", True),
        ("CALL", 1, "1.0", True),
    ],
)
def test_versions_that_compilers_parse(writer, name, version, compiler, parsed):
    x = writer.input()
    writer.operator(name, [x], None, version=version)
    assert (predicted(writer, compiler=compiler).failure is None) is parsed


def test_a_size_that_depends_on_values_stops_the_compiler(writer):
    """Keras's Flatten with an open batch."""
    x = writer.conv(writer.input())
    sizes = writer.operator("SHAPE", [x], (4,), "INT32")
    writer.operator("RESHAPE", [x, sizes], (1, 256))
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((), 2)
    assert "dynamic-sized tensors" in prediction.failure


def test_a_tensorflow_operator_stops_the_compiler(writer):
    writer.chain("CONV_2D", "FlexSplitV")
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((), 1)
    assert prediction.failure.startswith("Regular TensorFlow ops")
    assert prediction.status[0] == "Model failed in Tflite interpreter"


def test_an_open_batch_alone_does_not_stop_it(writer):
    """As in 75 public models with a compiled file."""
    x = writer.input()
    writer.graph.tensors[x].shapeSignature = [-1, 8, 8, 4]
    writer.conv(x)
    assert predicted(writer).mapped == (0,)


def test_a_model_of_floats_is_not_quantized(writer):
    x = writer.input(kind="FLOAT32")
    writer.operator("RELU", [x], None, "FLOAT32")
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((), None)
    assert prediction.failure.endswith("Model not quantized")


def test_strides_over_channels_stop_the_last_compiler(writer):
    x = writer.conv(writer.input())
    numbers = [writer.integers(*values) for values in ((0,) * 4, (1, 8, 8, 4))]
    strides = writer.integers(1, 1, 1, 2)
    writer.operator("STRIDED_SLICE", [x, *numbers, strides], (1, 8, 8, 2), version=2)
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((), 1)
    assert "DarwiNN" in prediction.failure
    assert predicted(writer, compiler="15.0").failure is None


def test_strides_over_channels_stop_it_only_if_they_would_be_mapped(writer):
    """The compiler translates only the operators that it maps."""
    x = writer.chain("CONV_2D", "HARD_SWISH")
    numbers = [writer.integers(*values) for values in ((0,) * 4, (1, 8, 8, 4))]
    strides = writer.integers(1, 1, 1, 2)
    writer.operator("STRIDED_SLICE", [x, *numbers, strides], (1, 8, 8, 2), version=2)
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.failure) == ((0,), None)
    assert "DarwiNN" in predicted(writer, multiple_subgraphs=True).failure
