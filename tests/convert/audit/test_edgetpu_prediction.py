"""What the Edge TPU compiler makes of a whole graph."""

import random

import pytest

from corallite.convert.audit.model_file import decode
from corallite.convert.edgetpu import cures
from corallite.convert.edgetpu.compilers import (
    DATA_TYPE,
    LATER_SUBGRAPH,
    MAPPED,
    RANK,
    UNSUPPORTED,
    VERSION,
)
from corallite.convert.edgetpu.partition import partition
from corallite.convert.edgetpu.prediction import predict


def predicted(writer, *outputs, **options):
    return predict(decode(writer.content(*outputs)), **options)


def chain(writer, *names):
    """Adds one operator after another; those named "HARD_SWISH" are not supported."""
    x = writer.input()
    for name in names:
        x = writer.conv(x) if name == "CONV_2D" else writer.operator(name, [x], None)
    return x


def test_a_graph_that_is_taken_whole_has_no_cut(writer):
    x = chain(writer, "CONV_2D", "CONV_2D", "RELU")
    writer.operator("ADD", [x, x], None, version=2)
    prediction = predicted(writer)
    assert prediction.mapped == (0, 1, 2, 3)
    assert (prediction.subgraphs, prediction.first_cut) == (1, None)
    assert (prediction.cure, prediction.failure) == (None, None)


def test_a_float_input_costs_its_quantization_and_cuts_nothing(writer):
    x = writer.input(kind="FLOAT32")
    x = writer.operator("QUANTIZE", [x], None)
    writer.conv(x)
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((1,), None)


def test_a_float_output_is_cut_off_with_its_cure(writer):
    x = chain(writer, "CONV_2D")
    writer.operator("DEQUANTIZE", [x], None, "FLOAT32", version=2)
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((0,), 1)
    assert "inference_output_type" in prediction.cure


def test_a_custom_operator_at_the_end_leaves_the_rest(writer):
    chain(writer, "CONV_2D", "CONV_2D", "TFLite_Detection_PostProcess")
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((0, 1), 2)
    assert prediction.status[2] == DATA_TYPE


def test_the_first_piece_is_mapped_not_the_largest(writer):
    chain(writer, "CONV_2D", "HARD_SWISH", *["CONV_2D"] * 5)
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.subgraphs) == ((0,), 1)
    assert prediction.first_cut == 1
    assert "ReLU6" in prediction.cure
    assert prediction.status[1] == UNSUPPORTED
    assert {prediction.status[i] for i in range(2, 7)} == {LATER_SUBGRAPH}


def test_with_multiple_subgraphs_every_piece_is_mapped(writer):
    chain(writer, "CONV_2D", "HARD_SWISH", "CONV_2D", "HARD_SWISH", "CONV_2D", "RELU")
    prediction = predicted(writer, multiple_subgraphs=True)
    assert (prediction.mapped, prediction.subgraphs) == ((0, 2, 4, 5), 3)
    assert prediction.first_cut == 1


def test_an_unsupported_start_leaves_all_behind_it(writer):
    chain(writer, "HARD_SWISH", "HARD_SWISH", "CONV_2D", "CONV_2D")
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((2, 3), None)


def test_nothing_supported_names_the_first(writer):
    chain(writer, "HARD_SWISH", "ELU")
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.subgraphs) == ((), 0)
    assert prediction.first_cut == 0


def test_parallel_branches_go_on_while_one_is_stopped(writer):
    """What does not wait for the unsupported operator is in the first piece."""
    stem = writer.conv(writer.input())
    left = writer.operator("HARD_SWISH", [stem], None)
    left = writer.conv(left)
    right = writer.conv(writer.conv(stem))
    writer.operator("ADD", [left, right], None, version=2)
    prediction = predicted(writer)
    assert prediction.mapped == (0, 3, 4)
    assert prediction.first_cut == 1
    assert prediction.status[5] == LATER_SUBGRAPH


def test_a_branch_that_begins_on_the_cpu_makes_the_join_late(writer):
    """Not behind anything mapped, and yet it cuts."""
    right = writer.conv(writer.input())
    left = writer.operator("HARD_SWISH", [writer.input()], None)
    writer.operator("ADD", [left, right], None, version=2)
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((0,), 1)


def test_a_cut_that_strands_others_comes_before_the_end_of_a_branch(writer):
    stem = writer.conv(writer.input())
    side = writer.operator("DEQUANTIZE", [stem], None, "FLOAT32", version=2)
    x = writer.operator("HARD_SWISH", [writer.conv(stem)], None)
    last = writer.conv(x)
    assert predicted(writer, side, last).first_cut == 3


def test_a_late_second_piece_is_left(writer):
    x = chain(writer, *["CONV_2D"] * 6, "HARD_SWISH")
    writer.dense(writer.reshape(x, (1, 256)), 3)
    prediction = predicted(writer)
    assert prediction.mapped == tuple(range(6))
    assert (prediction.status[7], prediction.status[8]) == (LATER_SUBGRAPH,) * 2


@pytest.mark.parametrize(("four_d", "cut"), [(False, 1), (True, 2)])
def test_a_channel_shuffle_is_named_and_its_cure(writer, four_d, cut):
    x = writer.conv(writer.input((1, 28, 28, 4)), 116)
    x = writer.shuffle(x, four_d=four_d)
    writer.conv(x)
    prediction = predicted(writer)
    assert (prediction.first_cut, prediction.cure) == (cut, cures.SHUFFLE)
    assert LATER_SUBGRAPH in (prediction.status[3], prediction.status[4])


def test_a_batch_above_one_is_the_cure_of_rank(writer):
    writer.conv(writer.conv(writer.input((4, 8, 8, 4))))
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.cure) == ((), cures.BATCH)
    assert set(prediction.status.values()) == {RANK}


def test_a_version_the_compiler_cannot_parse_stops_it(writer):
    """A grouped convolution."""
    x = chain(writer, "CONV_2D")
    writer.conv(x, version=6)
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.subgraphs) == ((), 0)
    assert prediction.first_cut == 1
    assert "opcode 'CONV_2D' version '6'" in prediction.failure
    assert prediction.status == {0: "Model could not be parsed", 1: VERSION}
    assert "SPLIT" in prediction.cure


@pytest.mark.parametrize(("name", "code"), [("GELU", 150), ("STABLEHLO_ADD", 163)])
def test_a_type_newer_than_the_compiler_is_out_of_range(writer, name, code):
    writer.operator(name, [writer.conv(writer.input())], None)
    prediction = predicted(writer)
    assert prediction.failure == f"Op builtin_code out of range: {code}."
    assert prediction.first_cut == 1
    assert prediction.cure


def test_a_type_without_a_name_yet_is_out_of_range(writer):
    writer.operator("ADD", [writer.input()] * 2, None)
    writer.model.operatorCodes[0].builtinCode = 999
    writer.model.operatorCodes[0].deprecatedBuiltinCode = 127
    assert predicted(writer).failure == "Op builtin_code out of range: 999."


@pytest.mark.parametrize(
    ("name", "version", "compiler", "parsed"),
    [
        # Issues of google-coral/edgetpu with the words of the compiler: 45, 147, 210,
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
def test_what_compilers_are_known_to_parse(writer, name, version, compiler, parsed):
    x = writer.input()
    writer.operator(name, [x], None, version=version)
    assert (predicted(writer, compiler=compiler).failure is None) is parsed


def test_a_size_that_depends_on_values_stops_the_compiler(writer):
    """What Keras's Flatten becomes when the batch is open."""
    x = writer.conv(writer.input())
    sizes = writer.operator("SHAPE", [x], (4,), "INT32")
    writer.operator("RESHAPE", [x, sizes], (1, 256))
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((), 2)
    assert "dynamic-sized tensors" in prediction.failure


def test_an_operator_of_tensorflow_itself_stops_the_compiler(writer):
    chain(writer, "CONV_2D", "FlexSplitV")
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((), 1)
    assert prediction.failure.startswith("Regular TensorFlow ops")
    assert prediction.status[0] == "Model failed in Tflite interpreter"


def test_an_open_batch_alone_does_not_stop_it(writer):
    """As in 75 public models that were compiled."""
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


def test_strides_over_channels_stop_it_only_where_they_would_be_mapped(writer):
    """The compiler translates what it maps, and nothing behind the cut."""
    x = chain(writer, "CONV_2D", "HARD_SWISH")
    numbers = [writer.integers(*values) for values in ((0,) * 4, (1, 8, 8, 4))]
    strides = writer.integers(1, 1, 1, 2)
    writer.operator("STRIDED_SLICE", [x, *numbers, strides], (1, 8, 8, 2), version=2)
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.failure) == ((0,), None)
    assert "DarwiNN" in predicted(writer, multiple_subgraphs=True).failure


@pytest.mark.parametrize("version", [10, 11])
def test_a_runtime_that_does_not_know_int8_maps_nothing(writer, version):
    chain(writer, "CONV_2D", "RELU")
    prediction = predicted(writer, min_runtime_version=version)
    assert (prediction.mapped, prediction.subgraphs) == ((), 0)
    assert set(prediction.status.values()) == {DATA_TYPE}
    assert (prediction.failure, prediction.cure) == (None, cures.RUNTIME)
    assert predicted(writer, min_runtime_version=12).mapped == (0, 1)


def test_an_operator_newer_than_the_runtime_is_not_taken(writer):
    x = writer.input((1, 4, 6))
    axes = writer.integers(0, 2, 1)
    writer.operator("TRANSPOSE", [x, axes], (1, 6, 4), version=2)
    assert predicted(writer, min_runtime_version=13).status == {0: UNSUPPORTED}
    assert predicted(writer, min_runtime_version=14).status == {0: MAPPED}


def test_a_compiled_model_is_said_to_be_one(writer):
    x = chain(writer, "edgetpu-custom-op")
    writer.operator("DEQUANTIZE", [x], None, "FLOAT32", version=2)
    prediction = predicted(writer)
    assert prediction.is_compiled
    assert (prediction.mapped, prediction.subgraphs) == ((0,), 1)
    content = prediction.to_json()
    # Of the other the compiler has said something, but to somebody else.
    assert content["status"] == {"0": MAPPED}
    assert content["parameter_bytes_on_chip"] is None


def sweep(graph, supported):
    """The groups as TFLite finds them, by going over all operators again and again."""
    made_later = {t.index for op in graph.operators for t in op.written}
    groups, left = [], list(graph.operators)
    while left:
        members, kind, changed = [], None, True
        while changed:
            changed = False
            for op in list(left):
                if any(t.index in made_later for t in op.read):
                    continue
                if kind is None:
                    kind = supported[op.index]
                if supported[op.index] is kind:
                    left.remove(op)
                    members.append(op.index)
                    made_later -= {t.index for t in op.written}
                    changed = True
        groups.append((kind, tuple(sorted(members))))
    return groups


@pytest.mark.parametrize("seed", range(20))
def test_groups_are_those_that_tflite_sweeps_for(writer, seed):
    rng = random.Random(seed)
    tensors = [writer.input(), writer.input()]
    for _ in range(40):
        inputs = rng.sample(tensors, k=rng.choice((1, 1, 2)))
        tensors.append(writer.operator("ADD", inputs, None))
    graph = decode(writer.content()).main
    supported = [rng.random() < 0.7 for _ in graph.operators]
    found = partition(graph, supported)
    assert [(g.is_supported, g.operators) for g in found] == sweep(graph, supported)
