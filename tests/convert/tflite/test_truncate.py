"""Truncated models compute the same as the whole."""

import numpy as np
import pytest
from ai_edge_litert import interpreter as litert
from ai_edge_litert import schema_py_generated as schema

from corallite.convert.tflite.reader import decode
from corallite.convert.tflite.truncate import truncate
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest

KERNELS = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def run(content, **options):
    """Runs a model on noise; returns its interpreter."""
    interpreter = litert.Interpreter(
        model_content=content, experimental_op_resolver_type=KERNELS, **options
    )
    interpreter.allocate_tensors()
    (detail,) = interpreter.get_input_details()
    noise = np.random.default_rng(0).integers(0, 127, detail["shape"])
    interpreter.set_tensor(detail["index"], noise.astype(detail["dtype"]))
    interpreter.invoke()
    return interpreter


def check_values(content, counts):
    """Compares the outputs of truncated models with the same tensors of the whole."""
    whole = run(content, experimental_preserve_all_tensors=True)
    for count in counts:
        truncated = run(truncate(content, count))
        outputs = truncated.get_output_details()
        assert outputs
        for detail in outputs:
            values = whole.get_tensor(detail["index"])
            # Noise, so that equal values are not a coincidence.
            assert len(np.unique(values)) > 2
            assert np.array_equal(truncated.get_tensor(detail["index"]), values)


@pytest.fixture
def branched(writer):
    """A network of four units like those of a ShuffleNetV2, with weights of noise."""
    x = writer.conv(writer.input((1, 8, 8, 4)), 8, (3, 3))
    for _ in range(4):
        left, right = split(writer, x)
        right = writer.conv(writer.conv(right, 4), 4, (3, 3))
        options = {"options": "ConcatenationOptions", "axis": 3}
        x = writer.operator(
            "CONCATENATION", [left, right], (1, 8, 8, 8), version=2, **options
        )
    x = writer.operator("MEAN", [x, writer.integers(1, 2)], (1, 8), version=2)
    writer.dense(x, 5)
    fill_with_noise(writer)
    return writer.content()


def split(writer, x):
    """Adds an operator with two outputs: the halves of the channels."""
    options = {"options": "SplitOptions", "numSplits": 2}
    left = writer.operator("SPLIT", [writer.scalar(3), x], (1, 8, 8, 4), **options)
    right = writer.tensor((1, 8, 8, 4))
    writer.graph.operators[-1].outputs.append(right)
    return left, right


def fill_with_noise(writer):
    """Sets weights, and their scales and those of biases so that little saturates."""
    rng = np.random.default_rng(0)
    for tensor in writer.graph.tensors:
        buffer = writer.model.buffers[tensor.buffer]
        if tensor.buffer and tensor.quantization.scale:
            is_bias = tensor.type == schema.TensorType.INT32
            tensor.quantization.scale = [0.5 * 0.004 if is_bias else 0.004]
            if not is_bias:
                buffer.data = rng.integers(0, 256, len(buffer.data), dtype=np.uint8)


def test_the_first_operators_compute_what_they_did(branched):
    """Some prefixes have two outputs."""
    count = len(decode(branched).main.operators)
    check_values(branched, range(1, count + 1))
    graphs = [decode(truncate(branched, n)).main for n in range(1, count + 1)]
    assert {len(graph.outputs) for graph in graphs} == {1, 2}


def test_a_manifest_behind_the_model_is_ignored(branched):
    manifest = Manifest.of_classifier("model", "1", ("red",), Preprocessing((32, 32)))
    check_values(attach_manifest(branched, manifest), [1])


def test_outputs_are_those_of_the_model_and_those_read_later(writer):
    stem = writer.conv(writer.input())
    left, right = writer.conv(stem), writer.conv(stem)
    writer.operator("ADD", [left, right], None, version=2)
    last = writer.conv(len(writer.graph.tensors) - 1)
    content = writer.content(stem, last)
    graph = decode(truncate(content, 3)).main
    assert [tensor.index for tensor in graph.outputs] == [stem, left, right]
    assert len(graph.operators) == 3
    graph = decode(truncate(content, 4)).main
    assert [tensor.index for tensor in graph.outputs][0] == stem
    assert len(graph.outputs) == 2


def test_outputs_are_those_of_the_last_operator_if_nothing_reads_any(writer):
    x = writer.input()
    unread = writer.conv(x)
    content = writer.content(writer.conv(x))
    graph = decode(truncate(content, 1)).main
    assert [tensor.index for tensor in graph.outputs] == [unread]


def test_codes_of_removed_operators_are_removed(writer):
    """A runtime fails at an unknown version, even of an unused operator."""
    x = writer.conv(writer.input())
    x = writer.conv(x, version=9)
    writer.operator("HARD_SWISH", [x], None)
    model = decode(truncate(writer.content(), 1))
    assert set(model.operator_codes) == {("CONV_2D", 3)}
    model = decode(truncate(writer.content(), 2))
    assert set(model.operator_codes) == {("CONV_2D", 3), ("CONV_2D", 9)}


def test_constants_that_are_no_longer_read_lose_their_content(writer):
    x = writer.conv(writer.input())
    shared = writer.graph.operators[0].inputs[1]
    writer.dense(writer.operator("MEAN", [x, writer.integers(1, 2)], (1, 4)), 999)
    writer.operator("ADD", [x, shared], None)
    graph = decode(truncate(writer.content(), 1)).main
    (conv,) = graph.operators
    assert len(conv.read) == 1 and len(conv.constants) == 2
    kept = {tensor.index for tensor in conv.constants}
    assert not any(x.is_constant for x in graph.tensors if x.index not in kept)


def test_signatures_are_dropped(writer):
    writer.conv(writer.conv(writer.input()))
    signature = schema.SignatureDefT()
    signature.inputs, signature.outputs = [], []
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    writer.model.signatureDefs = [signature]
    content = truncate(writer.content(), 1)
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    assert not model.signatureDefs


@pytest.mark.parametrize("count", [0, 3])
def test_more_operators_than_there_are_is_refused(writer, count):
    writer.conv(writer.conv(writer.input()))
    with pytest.raises(ValueError, match=r"`count` to be 1 to 2, got"):
        truncate(writer.content(), count)
