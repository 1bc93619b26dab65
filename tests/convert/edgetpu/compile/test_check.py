"""Files that are not ones to give to the compiler."""

import pytest

from corallite.convert.edgetpu.compile.check import parse_min_mapped, read_checked_model
from corallite.device.system.errors import RequestError


@pytest.fixture
def check(writer, write_file):
    """A function that checks what `writer` has, as a file."""
    return lambda *outputs: read_checked_model(write_file(writer.content(*outputs)))


def test_a_float_model_is_refused(writer, check):
    writer.operator("RELU", [writer.input(kind="FLOAT32")], None, "FLOAT32")
    with pytest.raises(RequestError, match=r"is not full int8 \(all\)"):
        check()


def test_a_float_layer_is_refused_by_its_number(writer, check):
    x = writer.conv(writer.input())
    writer.conv(x)
    writer.graph.tensors[-1].type = 0
    with pytest.raises(RequestError, match=r"\(operator 1 CONV_2D: FLOAT32\)"):
        check()


def test_float_ends_are_left_to_the_cpu(writer, check):
    x = writer.operator("QUANTIZE", [writer.input(kind="FLOAT32")], None)
    writer.operator("DEQUANTIZE", [writer.conv(x)], None, "FLOAT32", version=2)
    assert len(check().main.operators) == 3


def test_a_size_that_is_computed_is_refused(writer, check):
    x = writer.conv(writer.input())
    shape = writer.tensor((2,), "INT32")
    writer.operator("RESHAPE", [x, shape], (1, 256))
    with pytest.raises(RequestError, match="operator 1 RESHAPE writes is not fixed"):
        check()


def test_what_is_compiled_is_not_compiled_again(writer, check):
    writer.chain("edgetpu-custom-op")
    with pytest.raises(RequestError, match="is compiled already"):
        check()


def test_a_model_without_operators_is_refused(writer, check):
    x = writer.input()
    with pytest.raises(RequestError, match="has no operators"):
        check(x)


@pytest.mark.parametrize(
    ("text", "mapped", "holds"),
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
def test_of_ten_operators_enough_are_mapped(text, mapped, holds):
    assert parse_min_mapped(text).holds(mapped, 10) is holds


@pytest.mark.parametrize("text", ["1", "1.5", "-1", "95%", "all", ""])
def test_what_is_neither_share_nor_count_is_refused(text):
    with pytest.raises(RequestError, match="a share with a point"):
        parse_min_mapped(text)
