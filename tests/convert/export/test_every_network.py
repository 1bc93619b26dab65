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
    quantized = quantize(build_few(name, few_units), images)
    quantized.compile("sgd", "categorical_crossentropy", run_eagerly=True)
    quantized.train_on_batch(images, np.eye(4)[np.arange(16) % 4])
    content = convert_to_int8(quantized, images)
    graph = decode(content).main
    assert find_not_int8(graph) == []
    prediction = predict(decode(content))
    assert prediction.mapped == tuple(range(len(graph.operators)))
    assert (prediction.subgraphs, prediction.failure) == (1, None)
    # As in test_outputs_are_those_of_the_quantized_model of the converter.
    steps = np.abs(run(content, images) - 256 * quantized(images).numpy())
    assert np.mean(steps) < 2


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
