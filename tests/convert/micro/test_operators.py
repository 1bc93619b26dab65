"""The operators of TensorFlow Lite Micro and the methods that add them."""

import pytest
from ai_edge_litert import schema_py_generated as schema

from corallite.convert.micro.operators import OPERATORS, list_methods, name_method
from corallite.convert.tflite.reader import decode
from corallite.device.system.errors import RequestError


@pytest.mark.parametrize(
    ("operator", "method"),
    [
        ("CONV_2D", "AddConv2D"),
        ("DEPTHWISE_CONV_2D", "AddDepthwiseConv2D"),
        ("FULLY_CONNECTED", "AddFullyConnected"),
        ("BATCH_TO_SPACE_ND", "AddBatchToSpaceNd"),
        ("RELU6", "AddRelu6"),
        ("PADV2", "AddPadV2"),
        ("REVERSE_V2", "AddReverseV2"),
        ("BATCH_MATMUL", "AddBatchMatMul"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "AddUnidirectionalSequenceLSTM"),
    ],
)
def test_method_is_named_as_in_the_header(operator, method):
    assert operator in OPERATORS
    assert name_method(operator) == method


def test_operators_are_of_the_schema():
    assert vars(schema.BuiltinOperator).keys() >= OPERATORS


def test_each_operator_is_listed_once(content):
    methods = list_methods(decode(content), "model.tflite")
    assert methods == [
        *("AddConcatenation", "AddConv2D", "AddFullyConnected", "AddMean"),
        *("AddPad", "AddReshape", "AddTranspose"),
    ]


@pytest.mark.parametrize("name", ["GELU", "Own"])
def test_missing_operator_is_refused(writer, name):
    content = writer.content(writer.operator(name, [writer.conv(writer.input())], None))
    sentence = rf"m.tflite: .* Micro has no {name} \(operator 1 {name} .*; train"
    with pytest.raises(RequestError, match=sentence):
        list_methods(decode(content), "m.tflite")
