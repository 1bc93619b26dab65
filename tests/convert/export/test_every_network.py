"""Every registered network can be pruned, quantized and converted."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.tflite.converter import convert_to_int8
from corallite.convert.tflite.precision import find_not_int8
from corallite.convert.tflite.reader import decode
from corallite.optimize.prune.magnitude import add_pruning, strip_pruning
from corallite.optimize.quantize.add_quantizers import quantize
from corallite.train.framework.keras import keras
from corallite.train.models import registry

# These take a quarter of the channels of a bottleneck for the block.
WIDTHS = {"resnet18": 0.125, "resnet34": 0.125, "resnet50": 0.125}
# The first operator that the Edge TPU does not compute; it computes all of the others.
UNMAPPED = {"mobilenet_v3_large": "HARD_SWISH", "mobilenet_v3_small": "HARD_SWISH"}


def build_few(name, few_units):
    keras.utils.set_random_seed(0)
    with few_units(shufflenet=(1, 2, 1)):
        return registry.build(name, (32, 32, 3), 4, width=WIDTHS.get(name, 0.25))


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.NETWORKS)
def test_pruning_wraps_it_and_lets_it_go(name, few_units, draw_clouds):
    model, images = build_few(name, few_units), draw_clouds(2, 32, 32)
    pruned = strip_pruning(add_pruning(model, 0.3, 10))
    # Not trained: nothing is zero yet.
    np.testing.assert_allclose(pruned(images), model(images), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.NETWORKS)
def test_its_int8_file_maps_and_computes_what_the_quantized_model_does(
    name, few_units, draw_clouds
):
    images = draw_clouds(16, 32, 32)
    model = build_few(name, few_units)
    settle_batch_norms(model, images)
    quantized = quantize(model, images)
    quantized.compile("sgd", "categorical_crossentropy", run_eagerly=True)
    quantized.train_on_batch(images, np.eye(4)[np.arange(16) % 4])
    content = convert_to_int8(quantized, images)
    assert find_not_int8(decode(content).main) == []
    check_placement(content, UNMAPPED.get(name))
    assert_same_labels(run(content, images), 256 * quantized(images).numpy())


def settle_batch_norms(model, images):
    """Gives batch norms the averages of the images; else all outputs are the same."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(images, training=True)


def check_placement(content, unmapped):
    """Checks the predicted mapping: everything, or what is before `unmapped`."""
    operators, prediction = decode(content).main.operators, predict(decode(content))
    count = len(operators)
    if unmapped:
        count = [operator.name for operator in operators].index(unmapped)
    assert prediction.mapped == tuple(range(count))
    assert (prediction.subgraphs, prediction.failure) == (1, None)


def assert_same_labels(found, expected):
    """Compares outputs in steps of 1/256."""
    # A value that is rounded the other way in an early layer changes many in later
    # ones: with random weights, 0.001 steps there became 7 at the end of the deepest.
    error = np.mean(np.abs(found - expected))
    assert error < 10
    second, first = np.sort(expected, axis=1)[:, -2:].T
    is_clear = first - second > 6 * error
    assert is_clear.any()
    same = found.argmax(1) == expected.argmax(1)
    assert same[is_clear].all()


def run(content, images):
    """Returns the outputs of a file, in steps of 1/256."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (source,), (target,) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    outputs = []
    for image in images:
        pixels = np.round(image * 255).astype(np.uint8)
        interpreter.set_tensor(source["index"], pixels[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(target["index"])[0].astype(int))
    return np.array(outputs)
