"""Which numbers an input takes for a pixel, from all that a file says."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from fixtures.small_models import write_model

from corallite.device.model.description import input_range
from corallite.device.model.description.graph import FileGraph
from corallite.device.model.description.tflite_metadata import read_metadata
from corallite.device.system.errors import RequestError

MEANS = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATIONS = np.array([0.229, 0.224, 0.225], np.float32)


def find(**options):
    graph = FileGraph(write_model(**options))
    metadata = read_metadata(graph.metadata())
    return input_range.find_input_range(graph, metadata, "a.tflite")


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        # Rescaling(1 / 255), Rescaling(1 / 127.5, -1), and the reverse order.
        ([("MUL", 1 / 255)], (0, 255)),
        ([("DIV", 255.0)], (0, 255)),
        ([("MUL", 1 / 127.5), ("ADD", -1.0)], (0, 255)),
        ([("SUB", 127.5), ("MUL", 1 / 127.5)], (0, 255)),
        # Caffe's mean of each channel, and ImageNet's of pixels and of shares.
        ([("SUB", np.array([103.9, 116.8, 123.7], np.float32))], (0, 255)),
        ([("MUL", 1 / 255), ("SUB", MEANS), ("DIV", DEVIATIONS)], (0, 255)),
        ([("SUB", MEANS), ("DIV", DEVIATIONS)], (0, 1)),
        ([("MUL", 2.0), ("SUB", 1.0)], (0, 1)),
    ],
)
def test_first_operators_tell(before, expected):
    assert find(before=before) == (expected, input_range.OPERATORS)


@pytest.mark.parametrize(
    "before", [[], [("MUL", 0.9)], [("ADD", 0.01)], [("MUL", 0.0)], [("MUL", np.nan)]]
)
def test_a_float_input_without_them_is_unknown(before):
    assert find(before=before) == (None, "")


@pytest.mark.parametrize(
    ("kind", "scale", "expected"),
    [
        ("INT8", (1 / 255, -128), (0, 1)),
        # Nothing brighter than 0.9 was seen at the calibration.
        ("INT8", (0.9 / 255, -128), (0, 1)),
        ("INT8", (1 / 127.5, 0), (-1, 1)),
        ("UINT8", (1 / 128, 128), (-1, 1)),
        ("UINT8", (1.0, 0), (0, 255)),
        ("INT8", (1.0, -128), (0, 255)),
        ("INT8", (1.0, 0), (-128, 127)),
        # int16 is symmetric, but only pixels reach 255.
        ("INT16", (255 / 32767, 0), (0, 255)),
    ],
)
def test_the_quantization_tells(kind, scale, expected):
    assert find(kind=kind, scale=scale) == (expected, input_range.QUANTIZATION)


@pytest.mark.parametrize(
    ("kind", "scale"),
    [("INT8", (4.7 / 255, -14)), ("INT8", (3.7 / 255, 0)), ("INT16", (1 / 32767, 0))],
)
def test_other_quantizations_do_not_tell(kind, scale):
    assert find(kind=kind, scale=scale) == (None, "")


def test_bytes_without_a_scale_are_pixels():
    assert find(kind="UINT8", scale=None) == ((0, 1), input_range.PIXELS)


def test_the_quantization_behind_a_float_input_tells(writer):
    x = writer.input((1, 4, 4, 3), "FLOAT32")
    writer.graph.tensors[x].quantization = None
    x = writer.operator("QUANTIZE", [x], None, "INT8")
    writer.graph.tensors[x].quantization.scale = [1 / 127.5]
    writer.operator("RELU", [x], None)
    found = input_range.find_input_range(FileGraph(writer.content()), None, "a.tflite")
    assert found == ((-1, 1), input_range.QUANTIZATION)


def test_a_constant_kept_as_float16_is_read():
    content = write_model(before=[("MUL", 1 / 255)])
    model = schema.ModelT.InitFromPackedBuf(content)
    graph = model.subgraphs[0]
    number = graph.operators[0].inputs[1]
    half, tensor = schema.TensorT(), graph.tensors[number]
    half.shape, half.type, half.buffer = [1], schema.TensorType.FLOAT16, tensor.buffer
    model.buffers[half.buffer].data = np.frombuffer(
        np.array([1 / 255], np.float16).tobytes(), np.uint8
    )
    graph.tensors.append(half)
    tensor.buffer = 0
    code, unpack = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    model.operatorCodes.append(code)
    unpack.opcodeIndex = len(model.operatorCodes) - 1
    unpack.inputs, unpack.outputs = [len(graph.tensors) - 1], [number]
    graph.operators.insert(0, unpack)
    from corallite.device.model.write import pack

    found = input_range.find_input_range(FileGraph(pack(model)), None, "a.tflite")
    assert found == ((0, 255), input_range.OPERATORS)


@pytest.mark.parametrize(
    ("normalization", "expected"),
    [((127.5, 127.5), (-1, 1)), ((0, 255), (0, 1)), ((0, 1), (0, 255))],
)
def test_metadata_tell(normalization, expected):
    found = find(normalization=normalization, before=[("MUL", 1 / 255)])
    assert found == (expected, input_range.METADATA)


def test_metadata_of_the_float_model_do_not_overrule_the_quantization():
    found = find(kind="INT8", scale=(1 / 127.5, 0), normalization=(0, 1))
    assert found == ((-1, 1), input_range.QUANTIZATION)


def test_channels_that_are_normalized_differently_are_refused():
    with pytest.raises(RequestError, match="mean 124/116/104.*--input_range=LOW,HIGH"):
        find(normalization=((124, 116, 104), (58, 57, 57)))
