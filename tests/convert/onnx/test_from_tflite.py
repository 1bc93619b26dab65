"""TFLite files as ONNX: the same numbers, in the layout and opset asked for."""

import numpy as np
import onnxruntime
import pytest

from corallite.convert.onnx import from_tflite, quantized
from corallite.convert.tflite import converter
from corallite.device.engine.runners import litert
from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras, tf

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network():
    """A float model with what needs care: depthwise, residual, rectifiers."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, 2, padding="same", activation="relu")(image)
    y = layers.DepthwiseConv2D(3, padding="same")(x)
    y = layers.Conv2D(8, 1)(y)
    x = layers.ReLU(6.0)(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(4, kernel_initializer=keras.initializers.RandomNormal(0, 1))(x)
    return keras.Model(image, layers.Softmax()(x))


@pytest.fixture(scope="module")
def images():
    """Smooth ones, each between colours of its own; noise is refused as photos."""
    left, right = np.random.default_rng(0).integers(0, 256, (2, 12, 1, 1, 3))
    share = np.linspace(0, 1, 8)[:, np.newaxis] * np.ones((8, 1, 1))
    return (np.round(left + (right - left) * share) / 255).astype(np.float32)


@pytest.fixture(scope="module")
def int8_content(network, images):
    return converter.convert_to_int8(network, images)


def run(model, image):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["probabilities"], {"image": image})[0]


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_float_is_the_same_but_for_rounding(network, images, layout):
    model = from_tflite.convert(converter.convert_to_float(network), layout, 13)
    expected = network(images).numpy()
    for image, numbers in zip(images, expected, strict=True):
        given = image[np.newaxis]
        given = given.transpose(0, 3, 1, 2) if layout == "nchw" else given
        # Float32 sums in another order.
        np.testing.assert_allclose(run(model, given)[0], numbers, atol=1e-5)


@pytest.mark.parametrize("is_symmetric", [False, True])
def test_int8_has_the_ranges_of_its_file(int8_content, images, is_symmetric):
    model = from_tflite.convert(int8_content)
    quantized.use_float_ends(model)
    if is_symmetric:
        quantized.make_symmetric(model)
    else:
        quantized.drop_clips(model)
        quantized.use_uint8(model)
    from_tflite.check(model)
    file = litert.load("model", content=int8_content)
    (taken,), (given,) = file.signature
    for image in images:
        raw = np.round(image * 255).astype(np.uint8)[np.newaxis]
        stored = file.run({taken.name: raw})[given.name]
        expected = (stored.astype(float) - given.zero_point) * given.scale
        found = run(model, image[np.newaxis])
        if is_symmetric:
            # A range from 0 has half as many steps.
            np.testing.assert_allclose(found, expected, atol=0.06)
        else:
            # The same integers; a step of the output, as the last rounding may differ.
            np.testing.assert_allclose(found, expected, atol=1 / 256)


def test_rectifiers_that_change_nothing_are_removed(int8_content):
    model = from_tflite.convert(int8_content)

    def count():
        return sum(node.op_type in ("Clip", "Relu") for node in model.graph.node)

    assert count() == 2
    quantized.drop_clips(model)
    from_tflite.check(model)
    assert count() == 0


def test_symmetric_has_no_zero_points_and_no_int32(int8_content):
    from onnx import TensorProto, numpy_helper

    model = from_tflite.convert(int8_content)
    quantized.use_float_ends(model)
    quantized.make_symmetric(model)
    constants = {x.name: x for x in model.graph.initializer}
    assert not any(x.data_type == TensorProto.INT32 for x in constants.values())
    for node in model.graph.node:
        if node.op_type in (quantized.QUANTIZE, quantized.DEQUANTIZE):
            zero = numpy_helper.to_array(constants[node.input[2]])
            assert zero.dtype == np.int8 and not zero.any()


@pytest.mark.parametrize(("layout", "opset"), [("hwc", 17), ("nhwc", 12), ("nhwc", 99)])
def test_other_layouts_and_opsets_are_refused(int8_content, layout, opset):
    with pytest.raises(RequestError, match=r"--layout to be one of nhwc, nchw and"):
        from_tflite.convert(int8_content, layout, opset)


def test_an_operator_that_onnx_lacks_is_one_sentence():
    @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 3), tf.float32)])
    def count(image):
        bits = tf.bitcast(tf.cast(image, tf.int32), tf.uint32)
        return {"out": tf.reshape(tf.bitwise.right_shift(bits, bits), (1, 192))}

    functions = [count.get_concrete_function()]
    made = tf.lite.TFLiteConverter.from_concrete_functions(functions, tf.Module())
    with pytest.raises(RequestError, match="cannot be written as ONNX of opset 17"):
        from_tflite.convert(made.convert())
