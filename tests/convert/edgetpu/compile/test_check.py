"""Files that are not suitable for the compiler, and the minimum to map."""

import pytest

from corallite.convert.edgetpu.compile.check import parse_min_mapped, read_checked_model
from corallite.device.system.errors import RequestError


@pytest.fixture
def check(writer, write_file):
    """A function that checks the model of `writer` as a file."""
    return lambda *outputs: read_checked_model(write_file(writer.content(*outputs)))


def test_a_float_model_is_refused(writer, check):
    writer.operator("RELU", [writer.input(kind="FLOAT32")], None, "FLOAT32")
    with pytest.raises(RequestError, match=r"is not full int8 \(all\)"):
        check()


def test_a_float_layer_is_refused_with_its_number(writer, check):
    x = writer.conv(writer.input())
    writer.conv(x)
    writer.graph.tensors[-1].type = 0
    with pytest.raises(RequestError, match=r"\(operator 1 CONV_2D: FLOAT32\)"):
        check()


def test_float_inputs_and_outputs_are_accepted(writer, check):
    x = writer.operator("QUANTIZE", [writer.input(kind="FLOAT32")], None)
    writer.operator("DEQUANTIZE", [writer.conv(x)], None, "FLOAT32", version=2)
    assert len(check().main.operators) == 3


def test_a_size_that_is_computed_is_refused(writer, check):
    x = writer.conv(writer.input())
    shape = writer.tensor((2,), "INT32")
    writer.operator("RESHAPE", [x, shape], (1, 256))
    with pytest.raises(RequestError, match="output of operator 1 RESHAPE is not fixed"):
        check()


def test_a_compiled_model_is_refused(writer, check):
    writer.chain("edgetpu-custom-op")
    with pytest.raises(RequestError, match="is compiled already"):
        check()


def test_a_model_without_operators_is_refused(writer, check):
    x = writer.input()
    with pytest.raises(RequestError, match="has no operators"):
        check(x)


@pytest.mark.parametrize(
    ("text", "mapped", "is_met"),
    [
        ("0.0", 0, True),
        ("0", 0, True),
        ("0.7", 7, True),
        ("0.7", 6, False),
        (".5", 5, True),
        ("1.0", 10, True),
        ("1.0", 9, False),
        ("9", 9, True),
        ("9", 8, False),
    ],
)
def test_a_minimum_of_ten_operators_is_met_or_not(text, mapped, is_met):
    assert parse_min_mapped(text).is_met(mapped, 10) is is_met


@pytest.mark.parametrize("text", ["1", "1.5", "-1", "95%", "all", ""])
def test_text_that_is_neither_share_nor_count_is_refused(text):
    with pytest.raises(RequestError, match="a share with a decimal point"):
        parse_min_mapped(text)
