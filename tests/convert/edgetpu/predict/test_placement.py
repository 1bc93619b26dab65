"""Statuses of single operators, one model per status."""

import pytest

from corallite.convert.edgetpu.predict.compilers import (
    DATA_TYPE,
    INTERPOLATION,
    LATER_SUBGRAPH,
    MAPPED,
    RANK,
    UNIT_STRIDES,
    UNSPECIFIED,
    UNSUPPORTED,
    VERSION,
)
from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.edgetpu.predict.rules import RULES
from corallite.convert.tflite.reader import decode


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (MAPPED, "Mapped to Edge TPU"),
        (LATER_SUBGRAPH, "More than one subgraph is not supported"),
        (DATA_TYPE, "Operation is working on an unsupported data type"),
        (
            UNSPECIFIED,
            "Operation is otherwise supported, but not mapped due to some unspecified "
            "limitation",
        ),
        (UNSUPPORTED, "Operation not supported"),
        (VERSION, "Operation version not supported"),
        (RANK, "Tensor has unsupported rank (up to 3 innermost dimensions mapped)"),
        (UNIT_STRIDES, "Only Strided-Slice with unitary strides supported"),
        (
            INTERPOLATION,
            "Image-interpolation layer won't run precisely enough on Edge TPU",
        ),
    ],
)
def test_a_status_has_the_text_of_published_logs(status, text):
    assert status == text


REFUSED = {
    "dense that keeps its dimensions": (
        lambda w, x: w.dense(w.input((1, 9)), 3, version=5),
        VERSION,
    ),
    "quantization of floats": (
        lambda w, x: w.operator("QUANTIZE", [w.input((1, 4), "FLOAT32")], (1, 4)),
        UNSPECIFIED,
    ),
    "dequantization": (
        lambda w, x: w.operator("DEQUANTIZE", [x], None, "FLOAT32", version=2),
        DATA_TYPE,
    ),
    "custom operator": (lambda w, x: w.operator("Own", [x], None), DATA_TYPE),
    "operator on floats": (
        lambda w, x: w.operator("RELU", [w.input((1, 4), "FLOAT32")], None, "FLOAT32"),
        DATA_TYPE,
    ),
    "operator on 16 bits": (
        lambda w, x: w.operator("RELU", [w.input((1, 4), "INT16")], None, "INT16"),
        DATA_TYPE,
    ),
    "operator on indices": (
        lambda w, x: w.operator("MUL", [w.input((1, 4), "INT32")] * 2, None, "INT32"),
        DATA_TYPE,
    ),
    "operator on a float constant": (
        lambda w, x: w.operator("ADD", [x, w.tensor((4,), "FLOAT32", data=1)], None),
        DATA_TYPE,
    ),
    "five dimensions": (lambda w, x: w.reshape(x, (1, 8, 8, 2, 2)), RANK),
    "batch of two": (lambda w, x: w.conv(w.input((2, 8, 8, 4))), RANK),
    "unknown type": (lambda w, x: w.operator("HARD_SWISH", [x], None), UNSUPPORTED),
    "unknown type on indices": (
        lambda w, x: w.operator("ARG_MAX", [x, w.integers(3)], (1, 8, 8), "INT64"),
        UNSUPPORTED,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_operator_is_refused_with_the_compilers_status(check_cut, case):
    check_cut(*REFUSED[case])


def test_the_first_compiler_supports_uint8(writer, status_of_last):
    x = writer.input(kind="UINT8")
    writer.operator("RELU", [x], None, "UINT8")
    assert status_of_last("1.0") == MAPPED


def test_the_state_of_an_lstm_may_be_16_bits(writer, status_of_last):
    state = writer.tensor((1, 20), "INT16")
    writer.graph.tensors[state].isVariable = True
    x = writer.input((1, 28, 28))
    writer.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", [x, state], (1, 28, 20))
    assert status_of_last() == MAPPED


def test_reading_a_tensor_of_high_rank_is_supported(writer, status_of_last):
    x = writer.input((1, 3, 2, 3, 2, 8))
    writer.reshape(x, (1, 6, 6, 8))
    assert status_of_last() == MAPPED


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_accepts_operators_of_any_shape(writer, name):
    """Also with missing inputs and options. Found by fuzzing."""
    shapes = ((), (4,), (1, 8, 8, 4), (1, 2, 3, 4, 5))
    odd = [writer.integers(-9, 99), writer.tensor((), data=1)]
    writer.operator(name, [], (1, 4))
    writer.operator(name, [-1, -1, -1, -1], (1, 4))
    for before in shapes:
        for after in shapes:
            writer.operator(name, [writer.input(before), *odd], after)
    predict(decode(writer.content()))
