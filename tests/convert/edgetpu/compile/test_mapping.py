"""Mapped operators, from the compiled file or its log."""

from corallite.convert.edgetpu.compile.mapping import (
    NOT_LOGGED,
    assign_statuses,
    find_mapped,
)
from corallite.convert.edgetpu.predict.compilers import (
    LATER_SUBGRAPH,
    MAPPED,
    UNSUPPORTED,
)
from corallite.convert.tflite.reader import decode


def chain(writer, *names):
    x = writer.input()
    for name in names:
        x = writer.conv(x) if name == "CONV_2D" else writer.operator(name, [x], None)
    return decode(writer.content()).main


def test_operators_in_the_compiled_file_are_not_mapped(writer):
    source = chain(writer, "CONV_2D", "RELU", "HARD_SWISH", "RELU")
    writer.graph.operators = writer.graph.operators[2:]
    left = decode(writer.content()).main
    assert find_mapped(source, [left]) == {0, 1}


def test_an_operator_that_is_not_in_the_model_is_ambiguous(writer):
    source = chain(writer, "CONV_2D", "RELU")
    writer.graph.tensors[-1].name = "renamed"
    assert find_mapped(source, [decode(writer.content()).main]) is None


def test_one_of_two_equal_names_is_ambiguous(writer):
    chain(writer, "RELU", "RELU", "RELU")
    for tensor in writer.graph.tensors:
        tensor.name = "relu"
    source = decode(writer.content()).main
    writer.graph.operators = writer.graph.operators[1:]
    assert find_mapped(source, [decode(writer.content()).main]) is None


def test_statuses_of_the_log_are_assigned_as_predicted(writer):
    graph = chain(writer, "CONV_2D", "HARD_SWISH", "CONV_2D", "CONV_2D")
    counts = {
        ("CONV_2D", LATER_SUBGRAPH): 2,
        ("CONV_2D", MAPPED): 1,
        ("HARD_SWISH", "Something new"): 1,
    }
    predicted = {0: MAPPED, 1: UNSUPPORTED, 2: LATER_SUBGRAPH, 3: LATER_SUBGRAPH}
    status = assign_statuses(graph, counts, predicted, None)
    assert status == {**predicted, 1: "Something new"}


def test_the_log_overrides_the_prediction(writer):
    graph = chain(writer, "CONV_2D", "CONV_2D")
    counts = {("CONV_2D", MAPPED): 1, ("CONV_2D", "Too large"): 1}
    status = assign_statuses(graph, counts, {0: MAPPED, 1: MAPPED}, None)
    assert status == {0: MAPPED, 1: "Too large"}


def test_the_compiled_file_overrides_both(writer):
    graph = chain(writer, "CONV_2D", "CONV_2D", "RELU")
    counts = {("CONV_2D", MAPPED): 1, ("CONV_2D", "Too large"): 1}
    status = assign_statuses(graph, counts, {0: MAPPED, 1: MAPPED}, {1})
    assert status == {0: "Too large", 1: MAPPED, 2: NOT_LOGGED}
