"""Running a `.tflite` file by the names of its inputs and outputs."""

import numpy as np
import pytest

from corallite.device.engine.runners import litert
from corallite.device.model.signature import TensorSpec


def test_signature_names_types_and_scales(tiny_models):
    signature = litert.load(tiny_models["int8"]).signature
    (image,), (classes,) = signature.inputs, signature.outputs
    assert (image.shape, image.dtype) == ((1, 32, 32, 3), "int8")
    assert image.scale == pytest.approx(1 / 255) and image.zero_point == -128
    assert (classes.shape, classes.dtype) == ((1, 3), "int8")
    assert classes.scale == 1 / 256
    assert isinstance(image, TensorSpec) and image.name


def test_outputs_are_returned_by_name_and_stay(tiny_models):
    runner = litert.load(tiny_models["float32"], num_threads=2)
    (image,), (classes,) = runner.signature.inputs, runner.signature.outputs
    red = np.zeros(image.shape, np.float32)
    red[..., 0] = 1
    outputs = runner.run({image.name: red})
    assert list(outputs) == [classes.name]
    first = outputs[classes.name].copy()
    assert first.argmax() == 0
    assert runner.run({image.name: red[..., ::-1]})[classes.name].argmax() == 2
    assert np.array_equal(outputs[classes.name], first)


def test_input_of_another_shape_is_refused(tiny_models):
    runner = litert.load(tiny_models["uint8"])
    with pytest.raises(ValueError, match="[Dd]imension"):
        runner.run({runner.signature.inputs[0].name: np.zeros((1, 8, 8, 3), np.uint8)})
