"""Predictions for whole graphs."""

import pytest

from corallite.convert.edgetpu.predict import suggestions
from corallite.convert.edgetpu.predict.compilers import (
    DATA_TYPE,
    LATER_SUBGRAPH,
    MAPPED,
    RANK,
    UNSUPPORTED,
)
from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.tflite.reader import decode


def predicted(writer, *outputs, **options):
    return predict(decode(writer.content(*outputs)), **options)


def test_a_completely_mapped_graph_has_no_cut(writer):
    x = writer.chain("CONV_2D", "CONV_2D", "RELU")
    writer.operator("ADD", [x, x], None, version=2)
    prediction = predicted(writer)
    assert prediction.mapped == (0, 1, 2, 3)
    assert (prediction.subgraphs, prediction.first_cut) == (1, None)
    assert (prediction.suggestion, prediction.failure) == (None, None)


def test_a_float_input_does_not_split_the_graph(writer):
    x = writer.input(kind="FLOAT32")
    x = writer.operator("QUANTIZE", [x], None)
    writer.conv(x)
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((1,), None)


def test_a_float_output_stays_on_the_cpu_with_a_suggestion(writer):
    x = writer.chain("CONV_2D")
    writer.operator("DEQUANTIZE", [x], None, "FLOAT32", version=2)
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((0,), 1)
    assert "inference_output_type" in prediction.suggestion


def test_operators_before_a_custom_one_are_mapped(writer):
    writer.chain("CONV_2D", "CONV_2D", "TFLite_Detection_PostProcess")
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((0, 1), 2)
    assert prediction.status[2] == DATA_TYPE


def test_the_first_subgraph_is_mapped_not_the_largest(writer):
    writer.chain("CONV_2D", "HARD_SWISH", *["CONV_2D"] * 5)
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.subgraphs) == ((0,), 1)
    assert prediction.first_cut == 1
    assert "ReLU6" in prediction.suggestion
    assert prediction.status[1] == UNSUPPORTED
    assert {prediction.status[i] for i in range(2, 7)} == {LATER_SUBGRAPH}


def test_with_multiple_subgraphs_every_one_is_mapped(writer):
    writer.chain("CONV_2D", "HARD_SWISH", "CONV_2D", "HARD_SWISH", "CONV_2D", "RELU")
    prediction = predicted(writer, multiple_subgraphs=True)
    assert (prediction.mapped, prediction.subgraphs) == ((0, 2, 4, 5), 3)
    assert prediction.first_cut == 1


def test_operators_after_an_unsupported_start_are_mapped(writer):
    writer.chain("HARD_SWISH", "HARD_SWISH", "CONV_2D", "CONV_2D")
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((2, 3), None)


def test_without_supported_operators_the_first_is_named(writer):
    writer.chain("HARD_SWISH", "ELU")
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.subgraphs) == ((), 0)
    assert prediction.first_cut == 0


def test_a_parallel_branch_is_mapped(writer):
    """Operators that do not depend on the unsupported one are in the first subgraph."""
    stem = writer.conv(writer.input())
    left = writer.operator("HARD_SWISH", [stem], None)
    left = writer.conv(left)
    right = writer.conv(writer.conv(stem))
    writer.operator("ADD", [left, right], None, version=2)
    prediction = predicted(writer)
    assert prediction.mapped == (0, 3, 4)
    assert prediction.first_cut == 1
    assert prediction.status[5] == LATER_SUBGRAPH


def test_a_branch_that_begins_on_the_cpu_splits_the_graph(writer):
    """It splits the graph although no mapped operator is before it."""
    right = writer.conv(writer.input())
    left = writer.operator("HARD_SWISH", [writer.input()], None)
    writer.operator("ADD", [left, right], None, version=2)
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.first_cut) == ((0,), 1)


def test_a_cut_before_other_operators_precedes_one_at_an_output(writer):
    stem = writer.conv(writer.input())
    side = writer.operator("DEQUANTIZE", [stem], None, "FLOAT32", version=2)
    x = writer.operator("HARD_SWISH", [writer.conv(stem)], None)
    last = writer.conv(x)
    assert predicted(writer, side, last).first_cut == 3


def test_a_second_subgraph_is_not_mapped(writer):
    x = writer.chain(*["CONV_2D"] * 6, "HARD_SWISH")
    writer.dense(writer.reshape(x, (1, 256)), 3)
    prediction = predicted(writer)
    assert prediction.mapped == tuple(range(6))
    assert (prediction.status[7], prediction.status[8]) == (LATER_SUBGRAPH,) * 2


@pytest.mark.parametrize(("four_d", "cut"), [(False, 1), (True, 2)])
def test_a_channel_shuffle_is_named_with_a_suggestion(writer, four_d, cut):
    x = writer.conv(writer.input((1, 28, 28, 4)), 116)
    x = writer.shuffle(x, four_d=four_d)
    writer.conv(x)
    prediction = predicted(writer)
    assert (prediction.first_cut, prediction.suggestion) == (cut, suggestions.SHUFFLE)
    assert LATER_SUBGRAPH in (prediction.status[3], prediction.status[4])


def test_a_batch_of_one_is_the_suggestion_for_rank(writer):
    writer.conv(writer.conv(writer.input((4, 8, 8, 4))))
    prediction = predicted(writer)
    assert (prediction.mapped, prediction.suggestion) == ((), suggestions.BATCH)
    assert set(prediction.status.values()) == {RANK}


@pytest.mark.parametrize("version", [10, 11])
def test_a_runtime_without_int8_maps_nothing(writer, version):
    writer.chain("CONV_2D", "RELU")
    prediction = predicted(writer, min_runtime_version=version)
    assert (prediction.mapped, prediction.subgraphs) == ((), 0)
    assert set(prediction.status.values()) == {DATA_TYPE}
    assert (prediction.failure, prediction.suggestion) == (None, suggestions.RUNTIME)
    assert predicted(writer, min_runtime_version=12).mapped == (0, 1)


def test_an_operator_newer_than_the_runtime_is_unsupported(writer):
    x = writer.input((1, 4, 6))
    axes = writer.integers(0, 2, 1)
    writer.operator("TRANSPOSE", [x, axes], (1, 6, 4), version=2)
    assert predicted(writer, min_runtime_version=13).status == {0: UNSUPPORTED}
    assert predicted(writer, min_runtime_version=14).status == {0: MAPPED}


def test_a_compiled_model_is_recognized(writer):
    x = writer.chain("edgetpu-custom-op")
    writer.operator("DEQUANTIZE", [x], None, "FLOAT32", version=2)
    prediction = predicted(writer)
    assert prediction.is_compiled
    assert (prediction.mapped, prediction.subgraphs) == ((0,), 1)
    content = prediction.to_json()
    # The status of the other is in a log that we do not have.
    assert content["status"] == {"0": MAPPED}
    assert content["parameter_bytes_on_chip"] is None
