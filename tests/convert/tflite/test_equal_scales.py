import cv2
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from corallite.convert.tflite import converter
from corallite.optimize.quantize.add_quantizers import quantize
from corallite.train.framework.keras import keras


@pytest.fixture(scope="module")
def images():
    """float32 [8, 16, 16, 3], smooth as photos are."""
    coarse = np.random.default_rng(0).random((8, 5, 5, 3))
    return np.array([cv2.resize(x, (16, 16)) for x in coarse], np.float32)


@pytest.fixture(scope="module")
def model():
    """A convolution, a depthwise one and a dense layer, with kernels of many sizes."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    x = keras.layers.ReLU(6.0)(keras.layers.Conv2D(6, 3)(image))
    x = keras.layers.ReLU(6.0)(keras.layers.DepthwiseConv2D(3)(x))
    x = keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, keras.layers.Softmax()(x))


def scale_counts(content):
    (graph,) = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs
    found = [t.quantization.scale for t in graph.tensors if t.quantization is not None]
    return {len(scales) for scales in found if scales is not None}


def outputs_of(content, images):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (image,) = interpreter.get_input_details()
    (output,) = interpreter.get_output_details()
    outputs = []
    for pixels in np.round(images * 255).astype(np.uint8):
        interpreter.set_tensor(image["index"], pixels[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(output["index"]))
    return np.array(outputs)


def test_per_tensor_every_kernel_has_one_scale(model, images):
    quantized = quantize(model, images, granularity="tensor")
    assert scale_counts(converter.convert_to_int8(quantized, images)) == {1}


def test_per_channel_convolutions_keep_their_scales(model, images):
    content = converter.convert_to_int8(quantize(model, images), images)
    assert scale_counts(content) == {1, 6}


def test_the_file_computes_the_same(model, images, monkeypatch):
    quantized = quantize(model, images, granularity="tensor")
    merged = converter.convert_to_int8(quantized, images)
    monkeypatch.setattr(converter, "merge_equal_scales", lambda content: content)
    whole = converter.convert_to_int8(quantized, images)
    assert scale_counts(whole) == {1, 6}
    np.testing.assert_array_equal(outputs_of(merged, images), outputs_of(whole, images))
