"""Files cut off behind some of their operators."""

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import interpreter as litert
from ai_edge_litert import schema_py_generated as schema

from corallite.convert.audit.model_file import decode
from corallite.convert.edgetpu.truncate import truncate
from corallite.device.manifest import Manifest, attach_manifest
from corallite.device.preprocess import Preprocessing

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
        part = run(truncate(content, count))
        outputs = part.get_output_details()
        assert outputs
        for detail in outputs:
            values = whole.get_tensor(detail["index"])
            assert np.array_equal(part.get_tensor(detail["index"]), values)


def test_the_first_operators_compute_what_they_did(tiny_models):
    content = tiny_models["int8"].read_bytes()
    check_values(content, range(1, len(decode(content).main.operators) + 1))


@pytest.mark.slow
def test_branches_of_a_network_end_in_outputs(int8_files):
    """Behind some operators of a ShuffleNetV2, two tensors or more are waited for."""
    content = int8_files["shufflenet_v2", "ptq"]
    count = len(decode(content).main.operators)
    check_values(content, [1, 2, *range(3, count, 5), count])


def test_a_manifest_behind_the_model_does_not_matter(tiny_models):
    manifest = Manifest("model", "1", ("red",), Preprocessing((32, 32)))
    content = attach_manifest(tiny_models["int8"].read_bytes(), manifest)
    check_values(content, [1])


def test_outputs_are_what_was_to_be_read_and_what_was_an_output(writer):
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


def test_the_last_operator_ends_a_part_that_nobody_reads(writer):
    x = writer.input()
    unread = writer.conv(x)
    content = writer.content(writer.conv(x))
    graph = decode(truncate(content, 1)).main
    assert [tensor.index for tensor in graph.outputs] == [unread]


def test_operators_that_are_gone_are_not_declared(writer):
    """A runtime stops at a version that it does not know, used or not."""
    x = writer.conv(writer.input())
    x = writer.conv(x, version=9)
    writer.operator("HARD_SWISH", [x], None)
    model = decode(truncate(writer.content(), 1))
    assert set(model.operator_codes) == {("CONV_2D", 3)}
    model = decode(truncate(writer.content(), 2))
    assert set(model.operator_codes) == {("CONV_2D", 3), ("CONV_2D", 9)}


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


def test_a_graph_without_outputs_is_refused(writer):
    writer.conv(writer.input())
    writer.graph.outputs = None
    builder = flatbuffers.Builder(1024)
    builder.Finish(writer.model.Pack(builder), b"TFL3")
    with pytest.raises(ValueError, match="name outputs"):
        truncate(bytes(builder.Output()), 1)
