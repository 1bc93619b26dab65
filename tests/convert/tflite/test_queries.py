"""Queries of a file with known contents."""

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from corallite.convert.tflite.converter import convert_to_float
from corallite.convert.tflite.queries import (
    count_operators,
    float_tensors,
    kernel_sparsity,
)
from corallite.train.framework.keras import keras


@pytest.fixture(scope="module")
def content():
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(4, 1, name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(2, name="dense")(x))
    # 3 of 12 and 1 of 8 are zeros; the biases, all zero, do not count.
    kernel = np.ones((1, 1, 3, 4))
    kernel[0, 0, :, 0] = 0
    model.get_layer("conv").set_weights([kernel, np.zeros(4)])
    dense_kernel = np.ones((4, 2))
    dense_kernel[0, 0] = 0
    model.get_layer("dense").set_weights([dense_kernel, np.zeros(2)])
    return convert_to_float(model)


def test_operators_are_counted_by_name(content):
    assert count_operators(content) == {"CONV_2D": 1, "MEAN": 1, "FULLY_CONNECTED": 1}


def test_float_tensors_are_named(content):
    assert any("image" in name for name in float_tensors(content))


def test_sparsity_counts_kernels_alone(content):
    assert kernel_sparsity(content) == 4 / 20


def rebuilt(content, change):
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    kernels = [graph.tensors[op.inputs[1]] for op in graph.operators]
    change(model, kernels[0], kernels[-1])
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def make_computed(model, *kernels):
    for kernel in kernels:
        kernel.buffer = 0


def test_without_kernels_there_is_no_sparsity(content):
    assert kernel_sparsity(rebuilt(content, make_computed)) is None


def make_uint8(model, first, last):
    """The last kernel becomes one of uint8 values around 128; 6 of 8 are zeros."""
    first.buffer = 0
    last.type = schema.TensorType.UINT8
    last.quantization = schema.QuantizationParametersT()
    last.quantization.scale, last.quantization.zeroPoint = [0.1], [128]
    model.buffers[last.buffer].data = np.array([128] * 6 + [0, 255], np.uint8)


def test_zeros_of_a_uint8_kernel_are_at_its_zero_point(content):
    assert kernel_sparsity(rebuilt(content, make_uint8)) == 6 / 8
