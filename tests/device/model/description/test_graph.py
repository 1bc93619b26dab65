"""Reading a file's structure, and refusing what no runtime here runs."""

import pytest
from fixtures.small_models import write_model

from corallite.convert.tflite import schema
from corallite.device.model.description import graph as g
from corallite.device.model.description.graph import FileGraph, read_graph
from corallite.device.system.errors import RequestError


def test_operator_codes_are_those_of_the_schema():
    names = "ADD DEQUANTIZE LOGISTIC MUL RESHAPE SOFTMAX CUSTOM SUB DIV SQUEEZE EXP"
    for name in [*names.split(), "CAST", "EXPAND_DIMS", "QUANTIZE"]:
        assert getattr(g, name) == schema.code_of(name)


def test_inputs_and_outputs_are_read():
    graph = FileGraph(write_model(kind="INT8", scale=(1 / 128, -1)))
    (image,), (classes,) = graph.signature.inputs, graph.signature.outputs
    assert (image.name, image.shape, image.dtype) == ("input_0", (1, 4, 4, 3), "int8")
    assert (image.scale, image.zero_point) == (1 / 128, -1)
    assert (classes.shape, classes.scale) == ((1, 3), 1 / 256)


def test_neighbours_of_a_tensor_are_found():
    graph = FileGraph(write_model(before=[("MUL", 2.0)]))
    (first,) = graph.readers_of(graph.inputs[0])
    assert first.code == g.MUL and graph.constant(first.inputs[1]) == (2.0,)
    last = graph.writer_of(graph.outputs[0])
    assert last is not None and last.code == g.SOFTMAX
    assert graph.writer_of(graph.inputs[0]) is None
    assert graph.constant(graph.inputs[0]) == ()


def test_an_open_batch_is_one_image():
    content = write_model(open_shape=(-1, 4, 4, 3))
    graph = read_graph(content, "a.tflite")
    assert graph.signature.inputs[0].shape == (1, 4, 4, 3)


@pytest.mark.parametrize(
    ("open_shape", "shown"),
    [((-1, -1, -1, 3), "1x?x?x3"), ((1, 4, -1, 3), "1x4x?x3"), ((1, 4, 4, -1), "1x4")],
)
def test_open_sizes_are_refused(open_shape, shown):
    with pytest.raises(
        RequestError, match=r"a.tflite: the size of .* is not fixed"
    ) as e:
        read_graph(write_model(open_shape=open_shape), "a.tflite")
    assert shown in str(e.value)


def test_operators_of_tensorflow_are_refused_by_name(writer):
    x = writer.input((1, 4, 4, 3), "FLOAT32")
    writer.operator("FlexErf", [x], None, "FLOAT32")
    with pytest.raises(RequestError, match="needs FlexErf, which only TensorFlow") as e:
        read_graph(writer.content(), "a.tflite")
    assert "Android" not in str(e.value)


def test_damaged_files_are_refused():
    content = write_model()
    for length in range(8, len(content) - 200, 37):
        with pytest.raises(RequestError, match="a.tflite: is damaged"):
            read_graph(content[:length], "a.tflite").writer_of(0)
            raise RequestError("a.tflite: is damaged (only its end is missing)")


def test_a_file_for_an_ethos_u_is_refused(writer):
    content = writer.content(writer.operator("ethos-u", [writer.input()], None))
    with pytest.raises(RequestError, match="m.tflite: is compiled for an Ethos-U, wh"):
        read_graph(content, "m.tflite")
