"""The int8 file has only supported operators and the outputs of the model."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.tflite.converter import convert_to_float, convert_to_int8
from corallite.convert.tflite.queries import (
    count_operators,
    float_tensors,
    kernel_sparsity,
)
from corallite.convert.tflite.reader import decode
from corallite.device.system.errors import RequestError
from corallite.optimize.prune.sparsity import measure_sparsity
from corallite.optimize.quantize.add_quantizers import quantize
from corallite.train.framework.keras import keras
from corallite.train.models import blocks
from corallite.train.models.networks.shufflenet_v2 import TORCHVISION, shufflenet_v2
from corallite.train.models.registry import build

KEYS = [(x, y) for x in ("shufflenet_v2", "mobilenet_v2") for y in ("qat", "ptq")]
# All operator types of each network.
OPERATORS = {
    "shufflenet_v2": {
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "MAX_POOL_2D",
        "STRIDED_SLICE",
        "CONCATENATION",
        "MEAN",
        "FULLY_CONNECTED",
        "SOFTMAX",
        "QUANTIZE",
    },
    "mobilenet_v2": {
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "ADD",
        "MEAN",
        "FULLY_CONNECTED",
        "SOFTMAX",
        "QUANTIZE",
    },
}
# XNNPACK has no kernels for int8 softmax and for conversion between uint8 and int8.
ONE_PARTITION = ["DELEGATE", "QUANTIZE", "QUANTIZE", "SOFTMAX"]


@pytest.fixture(params=KEYS, ids="-".join)
def int8_file(request, int8_files):
    return int8_files[request.param]


def outputs_of(content, images):
    """The dequantized outputs of a file with uint8 inputs."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (pixels,) = interpreter.get_input_details()
    (output,) = interpreter.get_output_details()
    scale, zero_point = output["quantization"]
    outputs = []
    for image in images:
        pixel_values = np.round(image * 255).astype(np.uint8)
        interpreter.set_tensor(pixels["index"], pixel_values[np.newaxis])
        interpreter.invoke()
        raw = interpreter.get_tensor(output["index"])[0]
        outputs.append((raw.astype(int) - zero_point) * scale)
    return np.array(outputs)


def executed_operators(content):
    """Names of the operators that LiteRT runs; a delegate counts as one.

    The interpreter lists the operators of the file, then the delegates; those that run
    are traced back from the output.
    """
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    maker = {}
    for operator in interpreter._get_ops_details():
        for tensor in operator["outputs"]:
            maker[int(tensor)] = operator  # A later delegate replaces it.
    executed = {}
    tensors = [interpreter.get_output_details()[0]["index"]]
    while tensors:
        operator = maker.get(int(tensors.pop()))
        if operator and operator["index"] not in executed:
            executed[operator["index"]] = operator["op_name"]
            tensors.extend(x for x in operator["inputs"] if x >= 0)
    return sorted(executed.values())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), KEYS, ids=map("-".join, KEYS))
def test_outputs_are_those_of_the_quantized_model(
    quantized_networks, trained_networks, int8_files, draw_square, name, kind
):
    model = (quantized_networks if kind == "ptq" else trained_networks)[name]
    rng = np.random.default_rng(5)
    drawn = [draw_square(rng, row % 4) for row in range(100)]
    images = np.array(drawn, np.float32) / np.float32(255)
    expected = model(images).numpy()
    outputs = outputs_of(int8_files[name, kind], images)
    # One activation in a thousand lies so near to the middle of two steps that
    # integers round it to the other one than floats do. Each such step moves a few
    # values of the next layer: after 50 layers the probabilities differ by 0.5 to 1.3
    # of their own steps of 1/256 in the mean, by 15 at most. A wrong range or
    # kernel moves them by dozens.
    steps = 256 * np.abs(outputs - expected)
    assert np.median(steps) < 1
    assert np.mean(steps) < 2
    assert np.mean(outputs.argmax(1) == expected.argmax(1)) > 0.95


def operator_name(model, operator):
    code = model.operatorCodes[operator.opcodeIndex].builtinCode
    return next(x for x, y in vars(schema.BuiltinOperator).items() if y == code)


def assert_supported(content, name="shufflenet_v2"):
    """Checks that devices support every operator, in one subgraph."""
    operators = count_operators(content)
    assert operators.keys() <= OPERATORS[name]
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    # uint8 to int8 at the input, int8 to uint8 at the output, and none between.
    assert operators["QUANTIZE"] == 2
    first, last = graph.operators[0], graph.operators[-1]
    assert operator_name(model, first) == operator_name(model, last) == "QUANTIZE"
    assert first.inputs.tolist() == graph.inputs.tolist()
    assert last.outputs.tolist() == graph.outputs.tolist()
    for operator in graph.operators:
        assert len(operator.inputs) <= 5
        if isinstance(operator.builtinOptions, schema.StridedSliceOptionsT):
            strides = model.subgraphs[0].tensors[operator.inputs[3]]
            data = model.buffers[strides.buffer].data
            assert np.all(np.frombuffer(data.tobytes(), np.int32) == 1)
    assert executed_operators(content) == ONE_PARTITION
    prediction = predict(decode(content))
    assert prediction.mapped == tuple(range(len(graph.operators)))
    assert (prediction.subgraphs, prediction.first_cut) == (1, None)


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS, ids="-".join)
def test_devices_support_every_operator(int8_files, key):
    assert_supported(int8_files[key], name=key[0])


def test_the_file_has_no_float_tensor(int8_file):
    assert float_tensors(int8_file) == []


def test_the_signature_is_uint8_pixels_and_probabilities_in_256ths(int8_file):
    interpreter = Interpreter(model_content=int8_file)
    (pixels,) = interpreter.get_input_details()
    (output,) = interpreter.get_output_details()
    assert pixels["dtype"] == output["dtype"] == np.uint8
    assert pixels["shape"].tolist() == pixels["shape_signature"].tolist()
    assert pixels["shape"].tolist() == [1, 32, 32, 3]
    assert output["shape_signature"].tolist() == [1, 4]
    assert pixels["quantization"] == (np.float32(1 / 255), 0)
    assert output["quantization"] == (1 / 256, 0)


def test_dense_weights_are_per_tensor_and_convolutions_per_channel(int8_file):
    model = schema.ModelT.InitFromPackedBuf(int8_file, 0)
    graph = model.subgraphs[0]
    axis = {
        schema.BuiltinOperator.FULLY_CONNECTED: None,
        schema.BuiltinOperator.CONV_2D: 0,
        schema.BuiltinOperator.DEPTHWISE_CONV_2D: 3,
    }
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code in axis:
            kernel = graph.tensors[operator.inputs[1]]
            channels = 1 if axis[code] is None else kernel.shape[axis[code]]
            assert len(kernel.quantization.scale) == channels


@pytest.mark.parametrize("name", ["shufflenet_v2", "mobilenet_v2"])
def test_zeros_of_the_model_are_zeros_in_the_file(name, trained_networks, int8_files):
    expected = measure_sparsity(trained_networks[name]).overall
    # More: what rounds to zero on the grid of int8.
    found = kernel_sparsity(int8_files[name, "qat"])
    assert found is not None
    assert expected <= found < expected + 0.05


@pytest.mark.slow
def test_counting_partitions_finds_a_split_graph(draw_clouds):
    image = keras.Input((8, 8, 3))
    branches = [
        keras.layers.ReLU(6.0)(keras.layers.Conv2D(4, 1)(image)) for _ in range(6)
    ]
    x = keras.layers.Conv2D(4, 1)(keras.layers.Concatenate()(branches))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    images = draw_clouds(5, 8, 8)
    executed = executed_operators(convert_to_int8(model, images))
    assert executed.count("DELEGATE") == 2
    assert "CONCATENATION" in executed


@pytest.mark.slow
def test_at_224_pixels_with_max_pool_it_is_one_partition(draw_clouds, few_units):
    with few_units():
        model = build("shufflenet_v2", (224, 224, 3), 3, width=0.5)
    images = draw_clouds(2, 224, 224)
    content = convert_to_int8(model, images)
    assert count_operators(content)["MAX_POOL_2D"] == 1
    assert_supported(content)


@pytest.mark.slow
@pytest.mark.parametrize("side", [128, 32])
def test_with_the_padding_and_relu_of_torchvision_it_is_one_partition(
    side, draw_clouds, few_units
):
    keras.utils.set_random_seed(0)
    with few_units():
        model = shufflenet_v2((side, side, 3), 4, width=0.5, conventions=TORCHVISION)
    images = draw_clouds(8, side, side)
    model = quantize(model, images, shared_range="calibrated")
    content = convert_to_int8(model, images)
    assert count_operators(content)["MAX_POOL_2D"] == (side == 128)
    assert_supported(content)
    # As in test_outputs_are_those_of_the_quantized_model.
    steps = 256 * np.abs(outputs_of(content, images) - model(images))
    assert np.mean(steps) < 2


def test_outputs_of_a_float_file_are_those_of_the_model(networks, square_images):
    model = networks["shufflenet_v2"]
    content = convert_to_float(model)
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    assert interpreter.get_input_details()[0]["shape"].tolist() == [1, 32, 32, 3]
    assert len(float_tensors(content)) > 100
    expected = model(square_images[:8]).numpy()
    for image, output in zip(square_images[:8], expected, strict=True):
        interpreter.set_tensor(
            interpreter.get_input_details()[0]["index"], image[np.newaxis]
        )
        interpreter.invoke()
        got = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
        # The same sums in another order: float32 rounds each to 1e-7.
        np.testing.assert_allclose(got, output, atol=1e-5)


def test_hard_swish_and_hard_sigmoid_are_those_of_the_quantized_model(draw_clouds):
    image = keras.Input((8, 8, 3))
    x = blocks.OURS.conv_bn(image, 8, 3, activation=blocks.HARD_SWISH, name="conv")
    x = blocks.squeeze_excite(x, 8, name="conv")
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D(name="pool")(x))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            # Wide enough that both functions are in all of their parts.
            layer.set_weights([rng.normal(0, 2, w.shape) for w in layer.get_weights()])
    images = np.round(draw_clouds(16, 8, 8) * 255) / np.float32(255)
    quantized = quantize(model, images)
    content = convert_to_int8(quantized, images)
    assert count_operators(content) == {
        **{"QUANTIZE": 2, "CONV_2D": 3, "HARD_SWISH": 1, "MEAN": 2},
        # The shift and the scale of hard-sigmoid; the sum has its ReLU6.
        **{"ADD": 1, "MUL": 2},
    }
    expected = quantized(images).numpy()
    step = (expected.max() - expected.min()) / 255
    error = np.abs(outputs_of(content, images) - expected) / step
    # The int8 kernel of hard-swish rounds twice; another step of the mean moves a gate,
    # and that a whole channel.
    assert np.mean(error) < 0.5 and np.max(error) < 8


@pytest.mark.slow
def test_a_model_with_float_tensors_is_refused(draw_clouds):
    image = keras.Input((8, 8, 3))
    # The converter has no int8 for ELU.
    x = keras.layers.Conv2D(4, 1, activation="elu")(image)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    images = draw_clouds(5, 8, 8)
    with pytest.raises(
        RequestError, match="not full int8: tensor .* Replace the layer"
    ):
        convert_to_int8(model, images)


@pytest.mark.slow
@pytest.mark.parametrize("bias", [5.0, -500.0])
@pytest.mark.parametrize("kind", ["conv", "depthwise", "dense"])
def test_the_bias_of_a_kernel_of_zeros_survives(kind, bias, draw_clouds):
    image = keras.Input((4, 4, 3))
    # Dim, so that the scale of the bias is small.
    x = keras.layers.Conv2D(4, 1, name="dim")(image)
    x = keras.layers.ReLU(6.0)(x)
    if kind == "dense":
        x = keras.layers.GlobalAveragePooling2D()(x)
    layers = {
        "conv": keras.layers.Conv2D(4, 1, name="zero"),
        "depthwise": keras.layers.DepthwiseConv2D(1, name="zero"),
        "dense": keras.layers.Dense(4, name="zero"),
    }
    x = layers[kind](x)
    if kind != "dense":
        x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, x)
    kernel, dim_bias = model.get_layer("dim").get_weights()
    model.get_layer("dim").set_weights([0.01 * np.abs(kernel), dim_bias])
    kernel, _ = model.get_layer("zero").get_weights()
    kernel[..., 1, :] = 0 if kind == "depthwise" else kernel[..., 1, :]
    if kind != "depthwise":
        kernel[..., 1] = 0
    model.get_layer("zero").set_weights([kernel, np.array([0, bias, 0, 0])])
    images = draw_clouds(10, 4, 4)
    images = np.round(images * 255) / np.float32(255)
    quantized = quantize(model, images)
    outputs = outputs_of(convert_to_int8(quantized, images), images)
    # One step of the output, whose range goes from 0 to the bias or back.
    np.testing.assert_allclose(outputs, quantized(images), atol=1.01 * abs(bias) / 255)
    np.testing.assert_allclose(outputs[:, 1], bias, atol=1.01 * abs(bias) / 255)
