"""Reading valid files, and refusing other files."""

import pytest
from ai_edge_litert import schema_py_generated as schema

from corallite.convert.tflite import schema as ours
from corallite.convert.tflite.reader import decode, read_model
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system.errors import RequestError

# The schema's names of options, where they differ.
_SCHEMA_NAMES = {
    "activation": "fusedActivationFunction",
    "dilation_w": "dilationWFactor",
    "dilation_h": "dilationHFactor",
    "transpose_a": "adjX",
    "transpose_b": "adjY",
}
_OPTION_TABLES = {
    "ADD": "AddOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MUL": "MulOptions",
    "PACK": "PackOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    "SPLIT": "SplitOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "SUB": "SubOptions",
}


def test_tensors_are_read_completely(writer):
    x = writer.input((1, 2, 2, 3), "UINT8")
    writer.graph.tensors[x].shapeSignature = [-1, 2, 2, 3]
    writer.conv(x, 5, kernel=(3, 3))
    graph = decode(writer.content()).main
    (pixels,), (weights, _) = graph.inputs, graph.operators[0].constants
    assert (pixels.name, pixels.type) == ("input_0", "UINT8")
    assert (pixels.shape, pixels.signature) == ((1, 2, 2, 3), (-1, 2, 2, 3))
    assert (pixels.scales, pixels.zero_points) == ((0.5,), (0,))
    assert (pixels.is_constant, pixels.is_dynamic) == (False, True)
    assert weights.shape == (5, 3, 3, 3)
    assert (weights.is_constant, weights.size, weights.byte_count) == (True, 135, 135)


def test_operators_are_read_with_inputs_and_outputs(writer):
    x = writer.input()
    y = writer.operator("ADD", [x, x], None, version=2)
    # -1 is an omitted input.
    writer.operator("Own", [y, -1], (1,), version=7)
    first, second = decode(writer.content()).main.operators
    assert (first.index, first.name, first.version) == (0, "ADD", 2)
    assert [tensor.index for tensor in first.read] == [x, x]
    assert (second.name, second.custom_code, second.version) == ("CUSTOM", "Own", 7)
    assert [t and t.index for t in second.inputs] == [y, None]
    assert [t.index for t in second.read] == [y]


def test_operators_above_127_are_known(writer):
    x = writer.input()
    writer.operator("GELU", [x], None)
    assert decode(writer.content()).main.operators[0].name == "GELU"


def test_names_are_those_of_the_schema():
    codes = vars(schema.BuiltinOperator)
    for code, name in enumerate(ours.OPERATOR_NAMES):
        assert codes[name] == code
    types = vars(schema.TensorType)
    for code, (name, _) in enumerate(ours.TENSOR_TYPES):
        assert types[name] == code


@pytest.mark.parametrize("name", sorted(ours.OPTIONS))
def test_options_are_read_where_the_schema_writes_them(writer, name):
    x = writer.input()
    options = {}
    for number, option in enumerate(ours.OPTIONS[name], start=2):
        first, *rest = option.split("_")
        field = _SCHEMA_NAMES.get(option, first + "".join(map(str.title, rest)))
        letter = ours.OPTIONS[name][option][1]
        options[field] = True if letter == "?" else number
    writer.operator(name, [x], None, options=_OPTION_TABLES[name], **options)
    writer.operator(name, [x], None)
    written, plain = decode(writer.content()).main.operators
    assert list(written.options.values()) == list(options.values())
    defaults = [default for _, _, default in ours.OPTIONS[name].values()]
    assert list(plain.options.values()) == defaults


def test_bytes_behind_the_flatbuffer_are_found(writer):
    """As the converter writes models above 2 GB."""
    x = writer.input((1, 4))
    weights = writer.tensor((4, 4), data=1)
    y = writer.operator("FULLY_CONNECTED", [x, weights], (1, 4))
    buffer = writer.model.buffers[1]
    buffer.data = None
    buffer.offset, buffer.size = 10_000, 16
    content = writer.content(y).ljust(10_000, b"\0") + bytes(range(16))
    (tensor,) = decode(content).main.operators[0].constants
    assert content[tensor.start : tensor.start + tensor.size] == bytes(range(16))


def test_a_name_that_is_not_text_is_escaped(writer):
    x = writer.input((1, 4))
    writer.graph.tensors[x].name = b"\xff\x00name"
    writer.operator("RELU", [x], None)
    assert decode(writer.content()).main.inputs[0].name == "\\xff\0name"


def test_a_manifest_behind_the_model_is_ignored(writer, write_file):
    writer.conv(writer.input())
    manifest = Manifest.of_classifier(
        "model", "1", ("cat", "dog"), Preprocessing((8, 8))
    )
    content = attach_manifest(writer.content(), manifest)
    assert len(read_model(write_file(content)).main.operators) == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty. Copy"),
        (b"TFL", "is not a TFLite model. Create"),
        (b"\x89HDF\r\n\x1a\n" * 9, "is not a TFLite model. Create"),
        (
            b"\x20\0\0\0TFL3",
            "is damaged .*outside the file.*. Copy or convert it again",
        ),
    ],
)
def test_another_file_is_refused_with_an_error(write_file, content, sentence):
    path = write_file(content)
    with pytest.raises(RequestError, match=f"model.tflite: {sentence}"):
        read_model(path)


def test_a_path_that_is_not_a_file_is_refused_with_an_error(tmp_path):
    with pytest.raises(RequestError, match="is a folder. Pass a .tflite file"):
        read_model(tmp_path)
    with pytest.raises(RequestError, match="cannot be read .*. Check its name"):
        read_model(tmp_path / "none.tflite")
    with pytest.raises(RequestError, match="cannot be read .*null byte"):
        read_model("a\0b")
    with pytest.raises(RequestError, match="is not a file"):
        read_model("/dev/zero")
