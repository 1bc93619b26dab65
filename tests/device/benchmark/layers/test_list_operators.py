"""What a file has, and what cannot be measured alone."""

import contextlib
from collections import Counter

import numpy as np
import pytest
from fixtures.operators import SAMPLES

from corallite.device.benchmark.layers.list_operators import list_operators
from corallite.device.benchmark.layers.operator import Operator
from corallite.device.benchmark.layers.operator_file import write_operators
from corallite.device.learn.features_file import SHIPPED
from corallite.device.model.write import pack, unpack
from corallite.device.system.errors import RequestError

CONV = Operator("conv", 6, 6, (4,), 8, (3, 3))


def changed(operator, change):
    """Returns a file of an operator after `change(model, operator's table)`."""
    model = unpack(write_operators([operator]))
    change(model, model.subgraphs[0].operators[0])
    return pack(model)


def test_operators_of_a_network_are_listed_in_order():
    network = [each for each in SAMPLES if each.kind != "slice"] * 2
    assert list_operators(write_operators(network)) == network


def test_converted_file_is_listed():
    operators = list_operators(SHIPPED.read_bytes())
    counts = Counter(each.kind for each in operators)
    assert counts["conv"] == 33 and counts["add"] == 9 and counts["border"] == 2
    assert counts["depthwise"] == 18 and counts["crop"] == 2


def test_third_party_file_is_listed(tiny_models):
    operators = list_operators(tiny_models["uint8"].read_bytes())
    assert "conv" in {each.kind for each in operators}


def _dilate(model, operator):
    operator.builtinOptions.dilationWFactor = 2


def _set_shape(model, tensor, shape):
    model.subgraphs[0].tensors[tensor].shape = np.array(shape, np.int32)


def _group(model, operator):
    _set_shape(model, operator.inputs[1], (8, 3, 3, 2))


def _other_size(model, operator):
    _set_shape(model, operator.outputs[0], (1, 5, 6, 8))


def _batch(model, operator):
    _set_shape(model, operator.inputs[0], (2, 6, 6, 4))


def _every_second(model, operator):
    steps = model.subgraphs[0].tensors[operator.inputs[3]].buffer
    model.buffers[steps].data = np.array([1, 2, 1, 1], "<i4").view(np.uint8)


def _other_kind(model, operator):
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = 28


def _tanh(model, operator):
    operator.builtinOptions.fusedActivationFunction = 4


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_dilate, "it is dilated"),
        (_group, "it is a grouped convolution"),
        (_other_size, "of an output size that does not follow"),
        (_other_kind, "it is of another kind"),
        (_batch, "not of 1 image"),
        (_tanh, "with the fused activation 4"),
    ],
)
def test_other_operator_is_refused(change, reason):
    with pytest.raises(RequestError, match=f"m.tflite: operator 0 .code .*{reason}"):
        list_operators(changed(CONV, change), "m.tflite")


def test_subsampling_is_refused():
    content = changed(Operator("slice", 6, 6, (4,), 2), _every_second)
    with pytest.raises(RequestError, match="neither along the channels nor of an area"):
        list_operators(content)


def test_float_file_is_refused(tiny_models):
    content = tiny_models["float32"].read_bytes()
    with pytest.raises(RequestError, match="on float32, not on int8"):
        list_operators(content)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda each: each.key)
def test_mutated_file_is_read_or_refused(sample):
    content, rng = write_operators([sample]), np.random.default_rng(0)
    for _ in range(200):
        mutated = bytearray(content)
        for place in rng.integers(0, len(content), 4):
            mutated[place] = rng.choice([0, 1, 127, 128, 255])
        with contextlib.suppress(RequestError):
            list_operators(bytes(mutated))


def test_damaged_file_is_refused():
    content = write_operators([CONV])
    with pytest.raises(RequestError, match=r"m.tflite: is damaged .*; copy"):
        list_operators(content[: len(content) // 3], "m.tflite")
