"""Costs that can be computed by hand."""

import pytest

from corallite.convert.audit.cost import count_macs, count_parameter_bytes, find_peak
from corallite.convert.tflite.reader import decode


def macs_of_last(writer):
    return count_macs(decode(writer.content()).main.operators[-1])


def test_a_convolution_multiplies_a_kernel_at_every_output(writer):
    writer.conv(writer.input((1, 8, 6, 4)), 5, (3, 2))
    assert macs_of_last(writer) == 8 * 6 * 5 * (3 * 2 * 4)


def test_a_grouped_convolution_multiplies_its_group(writer):
    x, weights = writer.input((1, 8, 6, 4)), writer.tensor((10, 3, 3, 2), data=1)
    writer.operator("CONV_2D", [x, weights], (1, 8, 6, 10), version=6)
    assert macs_of_last(writer) == 8 * 6 * 10 * (3 * 3 * 2)


def test_a_depthwise_convolution_multiplies_a_window(writer):
    x, weights = writer.input((1, 8, 8, 4)), writer.tensor((1, 3, 3, 4), data=1)
    writer.operator("DEPTHWISE_CONV_2D", [x, weights], (1, 4, 4, 4))
    assert macs_of_last(writer) == 4 * 4 * 4 * 9


def test_a_dense_layer_multiplies_every_weight(writer):
    writer.dense(writer.input((1, 7)), 3)
    assert macs_of_last(writer) == 21


def test_a_transposed_convolution_multiplies_at_every_input(writer):
    x, weights = writer.input((1, 4, 4, 2)), writer.tensor((3, 2, 2, 2), data=1)
    sizes = writer.integers(1, 8, 8, 3)
    writer.operator("TRANSPOSE_CONV", [sizes, weights, x], (1, 8, 8, 3))
    assert macs_of_last(writer) == 4 * 4 * (3 * 2 * 2 * 2)


@pytest.mark.parametrize(("second", "transposed"), [((5, 7), False), ((7, 5), True)])
def test_a_matrix_product_multiplies_along_the_common_side(writer, second, transposed):
    a, b = writer.input((3, 5)), writer.input(second)
    writer.operator(
        "BATCH_MATMUL", [a, b], (3, 7), options="BatchMatMulOptions", adjY=transposed
    )
    assert macs_of_last(writer) == 3 * 5 * 7


def test_what_only_adds_multiplies_nothing(writer):
    x = writer.input()
    writer.operator("ADD", [x, x], None)
    assert macs_of_last(writer) == 0


def test_constants_count_once_however_often_they_are_read(writer):
    x = writer.input((1, 8))
    weights = writer.tensor((8, 8), data=1)
    for _ in range(3):
        x = writer.operator("FULLY_CONNECTED", [x, weights], (1, 8))
    writer.tensor((1000,), data=1)  # No operator reads it.
    assert count_parameter_bytes(decode(writer.content(x)).main) == 64


def test_the_peak_is_where_most_is_alive(writer):
    """A residual: the input of 10 waits while 20 and 40 are made of it."""
    x = writer.operator("RELU", [writer.input((1, 5))], (1, 10))
    y = writer.operator("RELU", [x], (1, 20))
    z = writer.operator("RELU", [y], (1, 40))
    writer.operator("ADD", [x, z], (1, 10))
    peak = find_peak(decode(writer.content()).main)
    assert (peak.bytes, peak.operator) == (10 + 20 + 40, 2)


def test_outputs_live_to_the_end_and_variables_always(writer):
    state = writer.tensor((1, 100), "INT16")
    writer.graph.tensors[state].isVariable = True
    early = writer.operator("RELU", [writer.input((1, 8))], (1, 30))
    x = writer.operator("RNN", [early, state], (1, 7))
    last = writer.operator("RELU", [x], (1, 7))
    peak = find_peak(decode(writer.content(early, last)).main)
    assert (peak.bytes, peak.operator) == (200 + 30 + 7 + 7, 2)


def test_a_model_without_operators_has_no_peak(writer):
    writer.input()
    peak = find_peak(decode(writer.content(writer.input())).main)
    assert (peak.bytes, peak.operator) == (0, None)
