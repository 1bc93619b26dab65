"""Operators: keys that differ, JSON, and what is refused."""

from dataclasses import replace

import pytest
from fixtures.operators import SAMPLES

from corallite.device.benchmark.layers.operator import Operator

CONV = Operator("conv", 32, 32, (16,), 32, (3, 3), (2, 2), activation="relu6")


@pytest.mark.parametrize("operator", SAMPLES, ids=lambda each: each.key)
def test_json_gives_the_same_operator(operator):
    assert Operator.from_json(operator.to_json()) == operator


def test_key_is_short_and_names_every_field():
    assert CONV.key == "conv 3x3/2 32x32x16>32 relu6"
    others = [
        replace(CONV, kind="average_pool", channels=(32,)),
        replace(CONV, height=31),
        replace(CONV, width=31),
        replace(CONV, channels=(8,)),
        replace(CONV, out_channels=8),
        replace(CONV, kernel=(3, 1)),
        replace(CONV, strides=(2, 1)),
        replace(CONV, padding="valid"),
        replace(CONV, activation="relu"),
        replace(CONV, activation="none"),
    ]
    assert len({each.key for each in [CONV, *others]}) == 1 + len(others)


def test_key_differs_for_all_kinds():
    assert len({each.key for each in SAMPLES}) == len(SAMPLES)


def test_window_of_one_pixel_has_one_key():
    first = Operator("conv", 8, 8, (4,), 4, strides=(2, 2), padding="valid")
    assert first == Operator("conv", 8, 8, (4,), 4, strides=(2, 2))


@pytest.mark.parametrize(
    ("padding", "size"), [("same", (4, 3)), ("valid", (3, 2))], ids=["same", "valid"]
)
def test_output_has_the_size_that_tensorflow_gives(padding, size):
    operator = Operator("max_pool", 7, 6, (4,), 4, (3, 3), (2, 2), padding)
    assert operator.out_size == size


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "lstm"}, "`kind` to be one of"),
        ({"padding": "full"}, "`padding` to be one of same, valid"),
        ({"activation": "tanh"}, "`activation` to be one of"),
        ({"height": 0}, "whole numbers from 1"),
        ({"height": 1.5}, "whole numbers from 1"),
        ({"height": True}, "whole numbers from 1"),
        ({"channels": ()}, "`channels` to be whole numbers"),
        ({"channels": (16, 16)}, "`channels` to be of all inputs of conv"),
        ({"kernel": (3,)}, "two numbers each"),
        ({"kernel": (0, 3)}, "`kernel` to be whole numbers"),
        ({"kernel": (40, 40), "padding": "valid"}, "a window inside the map"),
        ({"channels": (65536,), "out_channels": 65536}, "of at most"),
        ({"strides": (0, 1)}, "`strides` to be whole numbers from 1"),
        ({"kind": "crop", "strides": (0, 0)}, "`strides` to be whole numbers from 1"),
        ({"kind": "depthwise", "out_channels": 24}, "what depthwise makes of"),
        ({"kind": "max_pool"}, "what max_pool makes of"),
        ({"kind": "slice", "channels": (32,)}, "`activation` to be none for slice"),
        (
            {"kind": "slice", "channels": (32,), "activation": "none"},
            "`strides and padding` to be none for slice",
        ),
    ],
)
def test_impossible_operator_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(CONV, **changes)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("dense", 2, 1, (8,), 8), "1 for dense"),
        (("slice", 2, 2, (8,), 9), "what slice makes of"),
        (("pad", 2, 2, (8,), 7), "what pad makes of"),
        (("concat", 2, 2, (8, 8), 15), "what concat makes of"),
        (("border", 2, 2, (8, 8), 8, (1, 1)), "rows or columns, not both"),
        (("add", 2, 2, (8, 4), 8), "two equal numbers"),
        (("add", 2, 2, (8,), 8), "of all inputs of add"),
        (("add", 2, 2, (8, 8), 8, (3, 3)), r"`kernel` to be \(1, 1\) for add"),
    ],
)
def test_impossible_sizes_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Operator(*fields)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "an object"),
        ({"kind": "conv"}, "lacks a field"),
        ({**CONV.to_json(), "groups": 2}, "unknown field 'groups'"),
        ({**CONV.to_json(), "kind": ["conv"]}, "`kind` to be one of"),
        ({**CONV.to_json(), "kernel": 3}, "two numbers"),
        ({**CONV.to_json(), "kernel": None}, "two numbers"),
        ({**CONV.to_json(), "channels": [[1]]}, "whole numbers"),
        ({**CONV.to_json(), "height": "32"}, "whole numbers"),
    ],
)
def test_damaged_json_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        Operator.from_json(content)
