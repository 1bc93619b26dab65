"""Which signatures can be served, and the sentences about the others."""

import pytest

from corallite.device.model.signature import (
    ImageLayout,
    ModelSignature,
    TensorSpec,
    find_classes,
    find_image,
)
from corallite.device.system.errors import RequestError


def signature(inputs=((1, 4, 6, 3),), outputs=((1, 3),), dtype="float32"):
    return ModelSignature(
        tuple(TensorSpec(f"in{n}", shape, dtype) for n, shape in enumerate(inputs)),
        tuple(TensorSpec(f"out{n}", shape, dtype) for n, shape in enumerate(outputs)),
    )


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((1, 4, 6, 3), ImageLayout((4, 6), 3, "NHWC")),
        ((1, 4, 6, 1), ImageLayout((4, 6), 1, "NHWC")),
        ((1, 3, 4, 6), ImageLayout((4, 6), 3, "NCHW")),
        ((1, 1, 4, 6), ImageLayout((4, 6), 1, "NCHW")),
        ((1, 4, 6), ImageLayout((4, 6), 1, "NHW")),
        # Both axes could be channels; TFLite's own order is the last.
        ((1, 3, 4, 3), ImageLayout((3, 4), 3, "NHWC")),
    ],
)
def test_images_of_every_order_are_found(shape, layout):
    assert find_image(signature(inputs=(shape,)), "a.tflite") == layout


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (((1, 4, 4, 3), (1, 5)), r"has 2 inputs \(in0 1x4x4x3, in1 1x5\)"),
        ((), "has 0 inputs"),
        (((1, 16000),), "takes 1x16000 .'in0'., which is not an image"),
        (((8, 4, 4, 3),), r"takes 8 images at once \(8x4x4x3\)"),
        (((1, 4, 4, 4),), r"takes RGBA images \(1x4x4x4\)"),
        (((1, 4, 8, 8),), r"takes RGBA images \(1x4x8x8\)"),
        (((1, 8, 8, 6),), "takes images of 6 channels"),
        (((1, 20000, 20000, 3),), "takes images of 400 megapixels"),
    ],
)
def test_other_inputs_are_refused_by_name(inputs, sentence):
    with pytest.raises(RequestError, match=f"^a.tflite: {sentence}"):
        find_image(signature(inputs=inputs), "a.tflite")


@pytest.mark.parametrize("shape", [(1, 5), (5,), (1, 1, 1, 5), (5, 1)])
def test_classes_are_counted(shape):
    assert find_classes(signature(outputs=(shape,)), "a.tflite") == 5


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        # SSD with its post-processing; YOLOv8 and v5.
        (((1, 10, 4), (1, 10), (1, 10), (1,)), "gives boxes .* is an object detector"),
        (((1, 84, 8400),), "gives boxes"),
        (((1, 25200, 85),), "gives boxes"),
        (((1, 3), (1, 5)), r"has 2 outputs \(out0 1x3, out1 1x5\)"),
        (((1, 32, 32, 5),), "gives 1x32x32x5 .'out0'., not one number for each class"),
        ((), "has 0 outputs"),
    ],
)
def test_other_outputs_are_refused_by_name(outputs, sentence):
    with pytest.raises(RequestError, match=f"^a.tflite: {sentence}"):
        find_classes(signature(outputs=outputs), "a.tflite")


def test_types_that_are_not_filled_or_read_are_refused():
    with pytest.raises(RequestError, match="tensor 'in0' is float64, expected one of"):
        find_image(signature(dtype="float64"), "a.tflite")
    with pytest.raises(RequestError, match="tensor 'out0' is int64, expected one of"):
        find_classes(signature(dtype="int64"), "a.tflite")
    with pytest.raises(RequestError, match="its output is int8 without a scale"):
        find_classes(signature(dtype="int8"), "a.tflite")


@pytest.mark.parametrize(
    ("dtype", "scale", "zero", "numbers", "is_taken"),
    [
        ("int8", 1 / 255, -128, (0.0, 1.0), True),
        ("int8", 1 / 255, -128, (-1.0, 1.0), False),
        ("uint8", 1 / 128, 128, (-1.0, 1.0), True),
        # int16 is symmetric around 0.
        ("int16", 1 / 32767, 0, (0.0, 1.0), True),
        ("int16", 1 / 32767, 0, (-1.0, 1.0), True),
        ("int16", 1 / 32767, 0, (0.0, 255.0), False),
        ("float32", 0.0, 0, (0.0, 1.0), False),
    ],
)
def test_the_range_of_a_quantized_input(dtype, scale, zero, numbers, is_taken):
    spec = TensorSpec("x", (1,), dtype, scale, zero)
    assert spec.takes(numbers) is is_taken


def test_a_shape_as_text():
    assert TensorSpec("x", (1, -1, -1, 3), "int8").sizes == "1x?x?x3"
    assert TensorSpec("x", (), "int8").sizes == "scalar"
