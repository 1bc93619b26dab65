"""Files of operators: they run, and compute what their operator does."""

from dataclasses import replace

import numpy as np
import pytest
from fixtures.operators import SAMPLES

from corallite.device.benchmark.layers.list_operators import list_operators
from corallite.device.benchmark.layers.operator import Operator
from corallite.device.benchmark.layers.operator_file import (
    write_operator,
    write_operators,
)
from corallite.device.engine.runtime import load_interpreter

CONV = Operator("conv", 6, 6, (4,), 8, (3, 3))


def run(content, seed=0):
    """Runs a file on noise; returns its real inputs and outputs, and their scales."""
    interpreter = load_interpreter("made.tflite", content=content)
    rng = np.random.default_rng(seed)
    sides: list[list] = []
    for detail in interpreter.get_input_details():
        values = rng.integers(0, 127, detail["shape"]).astype(detail["dtype"])
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    for details in (interpreter.get_input_details(), interpreter.get_output_details()):
        sides.append([])
        for detail in details:
            scale, zero = detail["quantization"]
            stored = interpreter.get_tensor(detail["index"]).astype(np.float64)
            sides[-1].append((stored - zero) * scale)
    return *sides, interpreter.get_output_details()[0]["quantization"]


def by_name(name):
    return next(each for each in SAMPLES if each.kind == name)


@pytest.mark.parametrize("operator", SAMPLES, ids=lambda each: each.key)
def test_file_runs_and_is_listed_as_its_operator(operator):
    content = write_operator(operator)
    assert list_operators(content) == [operator]
    inputs, outputs, _ = run(content)
    assert [x.shape[-1] for x in inputs] == list(operator.channels)
    assert outputs[0].size == np.prod(operator.out_size) * operator.out_channels


@pytest.mark.parametrize("activation", ["none", "relu", "relu6"])
def test_rectifier_and_padding_are_in_the_file(activation):
    operator = replace(CONV, padding="valid", activation=activation)
    content = write_operator(operator)
    assert list_operators(content) == [operator]
    _, (output,), (scale, _) = run(content)
    assert output.shape == (1, 4, 4, 8)
    if activation != "none":
        assert output.min() == 0
    if activation == "relu6":
        assert output.max() <= 6 + scale / 2


def _pad(x):
    return np.pad(x, [(0, 0), (0, 1), (1, 1), (0, 2)])


@pytest.mark.parametrize(
    ("kind", "formula"),
    [
        ("add", lambda a, b: a + b),
        ("border", lambda a, b: np.concatenate([a, b], axis=2)),
        ("concat", lambda *maps: np.concatenate(maps, axis=3)),
        ("crop", lambda x: x[:, :4, :3]),
        ("hard_swish", lambda x: x * np.clip(x + 3, 0, 6) / 6),
        ("int8_to_uint8", lambda x: x),
        ("logistic", lambda x: 1 / (1 + np.exp(-x))),
        ("mul", lambda a, b: a * b),
        ("pad", _pad),
        ("pool", lambda x: x.mean(axis=(1, 2))),
        ("relu", lambda x: np.maximum(x, 0)),
        ("relu6", lambda x: np.clip(x, 0, 6)),
        ("requantize", lambda x: x),
        ("reshape", lambda x: x.reshape(1, -1)),
        ("scale", lambda a, b: a * b),
        ("slice", lambda x: x[..., :3]),
        ("softmax", lambda x: np.exp(x) / np.exp(x).sum()),
        ("uint8_to_int8", lambda x: x),
    ],
)
def test_file_computes_the_formula(kind, formula):
    inputs, (output,), (scale, zero_point) = run(write_operator(by_name(kind)))
    lowest, highest = (-128 - zero_point) * scale, (127 - zero_point) * scale
    if kind == "int8_to_uint8":
        lowest, highest = -zero_point * scale, (255 - zero_point) * scale
    # One int8 step.
    expected = np.clip(formula(*inputs), lowest, highest)
    np.testing.assert_allclose(output, expected, atol=1.01 * scale)


def test_weights_of_convolutions_have_a_scale_per_channel_and_dense_one():
    for kind, scales in (("conv", 5), ("depthwise", 16), ("dense", 1)):
        interpreter = load_interpreter("made", content=write_operator(by_name(kind)))
        details = interpreter.get_tensor_details()
        found = [
            len(each["quantization_parameters"]["scales"])
            for each in details
            if each["dtype"] == np.int32 and each["shape"].size == 1
        ]
        assert found == [scales], kind


def test_operators_read_what_has_their_size():
    chain = [CONV, Operator("depthwise", 6, 6, (8,), 8, (3, 3)), replace(CONV)]
    content = write_operators(chain)
    assert list_operators(content) == chain
    inputs, outputs, _ = run(content)
    # The third operator reads the input that the first one reads.
    assert [x.shape for x in inputs] == [(1, 6, 6, 4)]
    assert [x.shape for x in outputs] == [(1, 6, 6, 8)] * 2


def test_copies_have_weights_of_their_own():
    _, (first, second), _ = run(write_operators([CONV, CONV]))
    assert (first != second).any()


def test_same_arguments_give_the_same_file():
    assert write_operator(CONV) == write_operator(CONV)
    assert write_operator(CONV) != write_operator(CONV, seed=1)
