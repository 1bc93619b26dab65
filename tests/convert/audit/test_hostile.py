"""Damaged and malicious files: one error, with little time and memory."""

import time
import tracemalloc

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.tflite.reader import decode, read_model
from corallite.device.model.flatbuffer import DamagedError
from corallite.device.system.errors import RequestError

# Of processor time. Half a second on a quiet machine; minutes where a limit is missing.
_LIMIT_S = 10


@pytest.mark.parametrize("percent", range(1, 100))
def test_a_truncated_file_is_damaged(content, percent):
    with pytest.raises(DamagedError):
        decode(content[: len(content) * percent // 100])


def test_a_file_with_a_truncated_manifest_is_damaged(content):
    archive = b"PK\x03\x04" + bytes(100)
    with pytest.raises(
        DamagedError, match=f"archive at byte {len(content)}.*truncated"
    ):
        decode(content + archive)


def test_two_gigabytes_of_zeros_cost_nothing(tmp_path):
    for name, start in (("zeros", b""), ("begun", b"\x08\0\0\0TFL3")):
        path = tmp_path / name
        with path.open("wb") as file:
            file.write(start)
            file.truncate(2 << 30)
        tracemalloc.start()
        began_s = time.process_time()
        with pytest.raises(RequestError, match="not a TFLite model|has no graph"):
            read_model(path)
        assert time.process_time() - began_s < _LIMIT_S
        # More than the tail of the file, in which an archive is looked for.
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()


def change(writer, part, **fields):
    """Sets fields of the graph, or of the first of its tensors or operators."""
    parts = {
        "graph": writer.graph,
        "tensor": writer.graph.tensors[0],
        "operator": writer.graph.operators[0],
    }
    vars(parts[part]).update(fields)


@pytest.mark.parametrize(
    ("part", "fields", "sentence"),
    [
        ("graph", {"inputs": [99]}, "tensor 99 is used but does not exist"),
        ("operator", {"inputs": [-2, 1]}, "tensor -2 is used"),
        ("operator", {"opcodeIndex": 9}, "operator 0 has type 9"),
        (
            "operator",
            {"inputs": [1]},
            "operator 0 reads the output of operator 0",
        ),
        (
            "operator",
            {"inputs": [2]},
            "operator 0 reads the output of operator 1",
        ),
        ("tensor", {"type": 99}, "tensor 0 has the unknown type 99"),
        ("tensor", {"type": -1}, "unknown type -1"),
        ("tensor", {"buffer": 77}, "tensor 0 uses buffer 77"),
        ("tensor", {"shape": [1, -7]}, "tensor 0 has an invalid shape"),
        ("tensor", {"shape": [1] * 40}, "tensor 0 has an invalid shape"),
        ("tensor", {"name": "x" * 20_000}, "a name of 20,000 bytes"),
        ("tensor", {"shapeSignature": [-3]}, "tensor 0 has an invalid shape"),
    ],
)
def test_an_invalid_field_is_named(writer, part, fields, sentence):
    x = writer.input((1, 4))
    y = writer.operator("ADD", [x, x], None)
    writer.operator("ADD", [y, y], None)
    change(writer, part, **fields)
    with pytest.raises(DamagedError, match=sentence):
        decode(writer.content())


def test_a_model_without_a_graph_is_damaged(writer):
    writer.input()
    writer.model.subgraphs = []
    with pytest.raises(DamagedError, match="has no graph"):
        decode(writer.content())


def test_an_operator_of_the_code_minus_one_is_damaged(writer):
    x = writer.input()
    writer.operator("ADD", [x, x], None)
    code = writer.model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = -1
    with pytest.raises(DamagedError, match="an operator has the code -1"):
        decode(writer.content())


def test_a_constant_outside_the_file_is_damaged(writer):
    writer.input()
    buffer = schema.BufferT()
    buffer.offset, buffer.size = 1 << 40, 1 << 50
    writer.model.buffers.append(buffer)
    with pytest.raises(DamagedError, match="expected at byte"):
        decode(writer.content())


def offsets(builder, target, count):
    """Writes a vector of `count` offsets that all lead to `target`."""
    builder.StartVector(4, count, 4)
    for _ in range(count):
        builder.PrependUOffsetTRelative(target)
    return builder.EndVector()


def finish(builder, add, vector):
    schema.ModelStart(builder)
    add(builder, vector)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def test_one_table_is_not_read_as_often_as_it_is_named():
    builder = flatbuffers.Builder(1024)
    schema.OperatorCodeStart(builder)
    code = schema.OperatorCodeEnd(builder)
    codes = offsets(builder, code, 200_000)
    content = finish(builder, schema.ModelAddOperatorCodes, codes)
    with pytest.raises(DamagedError, match="more than 100,000 tables and vectors"):
        decode(content)


def test_one_vector_is_not_read_as_often_as_it_is_named():
    builder = flatbuffers.Builder(1024)
    scales = builder.CreateNumpyVector(np.ones(10_000, np.float32))
    schema.QuantizationParametersStart(builder)
    schema.QuantizationParametersAddScale(builder, scales)
    quantization = schema.QuantizationParametersEnd(builder)
    schema.TensorStart(builder)
    schema.TensorAddQuantization(builder, quantization)
    tensors = offsets(builder, schema.TensorEnd(builder), 1_000)
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    graphs = offsets(builder, schema.SubGraphEnd(builder), 1)
    schema.BufferStart(builder)
    buffers = offsets(builder, schema.BufferEnd(builder), 1)
    schema.ModelStart(builder)
    schema.ModelAddSubgraphs(builder, graphs)
    schema.ModelAddBuffers(builder, buffers)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    with pytest.raises(DamagedError, match="vectors hold more than 1,000,000 numbers"):
        decode(bytes(builder.Output()))


def test_many_operators_on_one_large_constant_take_their_time_once(writer):
    """Searching the constant for each operator would read gigabytes."""
    x = writer.input((1, 4))
    zeros = writer.tensor((1, 1 << 20), data=0)
    for _ in range(3_000):
        writer.operator(
            "CONCATENATION", [x, zeros], (1, 4), options="ConcatenationOptions"
        )
    model = decode(writer.content())
    began_s = time.process_time()
    predict(model)
    assert time.process_time() - began_s < _LIMIT_S
