"""What an output means, by the last operator and by the user."""

import pytest
from fixtures.small_models import write_model

from corallite.device.model.description.graph import FileGraph
from corallite.device.model.description.output_values import find_values
from corallite.device.system.errors import RequestError


def find(wanted=None, **options):
    return find_values(FileGraph(write_model(**options)), wanted, "a.tflite")[0]


@pytest.mark.parametrize(
    ("last", "classes", "wanted", "expected"),
    [
        ("SOFTMAX", 3, None, "probabilities"),
        ("LOGISTIC", 3, None, "multilabel"),
        ("LOGISTIC", 1, None, "probabilities"),
        (None, 3, None, "logits"),
        (None, 1, None, "logits"),
        ("LOG_SOFTMAX", 3, None, "logits"),
        # The user overrules; what a multi-label network lacks is a sigmoid.
        (None, 3, "probabilities", "probabilities"),
        (None, 3, "multilabel", "multilabel_logits"),
        ("LOGISTIC", 3, "multilabel", "multilabel"),
        ("LOGISTIC", 3, "probabilities", "probabilities"),
        ("SOFTMAX", 3, "logits", "logits"),
    ],
)
def test_the_last_operator_tells(last, classes, wanted, expected):
    assert find(wanted, last=last, classes=classes) == expected


@pytest.mark.parametrize("kind", ["INT8", "INT16"])
def test_the_last_operator_of_quantized_files_tells(kind):
    assert find(kind=kind, scale=(1 / 255, 0), last="LOGISTIC") == "multilabel"


def test_operators_that_only_change_shape_or_type_are_passed(writer):
    x = writer.operator("SOFTMAX", [writer.input((1, 3), "FLOAT32")], None, "FLOAT32")
    x = writer.operator("QUANTIZE", [writer.reshape(x, (3,))], (3,), "UINT8")
    found = find_values(FileGraph(writer.content(x)), None, "a.tflite")
    assert found == ("probabilities", "its softmax")


def test_a_softmax_in_parts_is_recognized(writer):
    x = writer.operator("EXP", [writer.input((1, 3), "FLOAT32")], None, "FLOAT32")
    total = writer.operator("SUM", [x, writer.integers(1)], (1, 1), "FLOAT32")
    writer.operator("DIV", [x, total], (1, 3), "FLOAT32")
    found = find_values(FileGraph(writer.content()), None, "a.tflite")
    assert found == ("probabilities", "its softmax")


def test_an_unknown_operator_leaves_the_meaning_open(writer):
    writer.operator("Mystery", [writer.input((1, 3), "FLOAT32")], None, "FLOAT32")
    assert find_values(FileGraph(writer.content()), None, "a.tflite")[0] == ""


def test_the_quantization_of_a_share_tells(writer):
    """As in files for the Edge TPU, whose operators are hidden in one."""
    x = writer.operator("edgetpu-custom-op", [writer.input((1, 3))], None, "UINT8")
    writer.graph.tensors[x].quantization.scale = [1 / 256]
    found = find_values(FileGraph(writer.content()), None, "a.tflite")
    assert found == ("probabilities", "its quantization")


def test_one_output_behind_a_softmax_is_refused():
    with pytest.raises(RequestError, match="one output behind a softmax, .* always 1"):
        find(last="SOFTMAX", classes=1)
