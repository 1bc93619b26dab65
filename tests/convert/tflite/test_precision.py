"""Tensors that are not int8, and sizes that are not fixed."""

import pytest

from corallite.convert.tflite.dynamic import describe_dynamic
from corallite.convert.tflite.precision import find_not_int8
from corallite.convert.tflite.reader import decode


def findings(writer):
    found = find_not_int8(decode(writer.content()).main)
    return [(finding.operator, finding.type, finding.why) for finding in found]


def test_a_full_int8_model_has_nothing_to_report(writer):
    x = writer.operator("QUANTIZE", [writer.input(kind="UINT8")], None)
    x = writer.conv(x)
    writer.dense(writer.reshape(x, (1, 256)), 3)
    assert findings(writer) == []


def test_floats_are_reported_with_their_cost(writer):
    x = writer.operator("DEQUANTIZE", [writer.conv(writer.input())], None, "FLOAT32")
    writer.operator("RELU", [x], None, "FLOAT32")
    (first, kind, why), (second, _, _) = findings(writer)
    assert (first, second, kind) == (1, 2, "FLOAT32")
    assert why.startswith("output runs in floating point: slower")


def test_wide_and_index_tensors_are_reported(writer):
    x = writer.input()
    writer.operator("RELU", [x], None, "INT16")
    writer.operator("ARG_MAX", [x, writer.integers(3)], (1, 8, 8), "INT64")
    writer.operator("ROUND", [x], None, "UINT64")
    whys = [why for _, _, why in findings(writer)]
    assert "wider than 8 bits" in whys[0]
    assert "has integers" in whys[1]
    assert "wider than 8 bits" in whys[2]


def test_float_and_hybrid_weights_are_distinguished(writer):
    x = writer.input((1, 4), "FLOAT32")
    for kind in ("FLOAT32", "INT8"):
        weights = writer.tensor((4, 4), kind, data=1)
        x = writer.operator("FULLY_CONNECTED", [x, weights], (1, 4), "FLOAT32")
    weights = [(kind, why) for _, kind, why in findings(writer) if "weights" in why]
    assert [kind for kind, _ in weights] == ["FLOAT32", "INT8"]
    assert "converted without quantization" in weights[0][1]
    assert "int8 while the input is float" in weights[1][1]


def test_per_channel_scales_are_reported_for_dense_layers_only(writer):
    writer.dense(writer.input((1, 4)), 3, scales=(0.1, 0.2, 0.3))
    (_, kind, why), *others = findings(writer)
    assert (kind, others) == ("INT8", [])
    assert "_experimental_disable_per_channel" in why


def test_open_sizes_are_described(writer):
    x = writer.input()
    writer.graph.tensors[x].shapeSignature = [-1, 8, 8, 4]
    sizes = writer.operator("SHAPE", [x], (4,), "INT32")
    writer.operator("RESHAPE", [x, sizes], (1, 256))
    writer.operator("WHERE", [x], (1, 4), "INT64")
    first, second, third = describe_dynamic(decode(writer.content()).main)
    assert first.startswith("input_0: has open dimensions. Convert with a batch of 1")
    assert second.startswith("Operator 1 RESHAPE: the size of its output depends")
    assert third.startswith("Operator 2 WHERE: ")


@pytest.mark.parametrize(
    ("name", "position"), [("NON_MAX_SUPPRESSION_V5", 2), ("ARG_MAX", 1), ("PAD", 1)]
)
def test_a_size_is_fixed_if_it_is_from_a_constant(writer, name, position):
    """As the kernels of TFLite check in Prepare."""
    x = writer.input()
    inputs = [x] * position
    writer.operator(name, [*inputs, writer.input((2,), "INT32"), x], (1, 4))
    writer.operator(name, [*inputs, writer.integers(1, 1), x], (1, 4))
    (described,) = describe_dynamic(decode(writer.content()).main)
    assert described.startswith(f"Operator 0 {name}: the size of its output depends")


def test_fixed_sizes_are_not_described(writer):
    writer.reshape(writer.conv(writer.input()), (1, 256))
    assert list(describe_dynamic(decode(writer.content()).main)) == []
