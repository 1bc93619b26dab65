"""Deep nesting is a ValueError, whatever Python would make of it."""

import pytest

from corallite.device.system.storage import json_text


@pytest.mark.parametrize("levels", [65, 900, 100_000])
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused(begin, end, levels):
    text = begin * levels + "1" + end * levels
    with pytest.raises(ValueError, match="more than 64 levels of lists and objects"):
        json_text.parse(text)


def test_moderate_nesting_is_read():
    assert json_text.parse("[" * 64 + "]" * 64)
    assert json_text.parse(b'{"a": ["[[[["]}') == {"a": ["[[[["]}


def test_other_text_is_a_value_error():
    with pytest.raises(ValueError, match="Expecting value"):
        json_text.parse("oops")


def test_constants_are_left_to_the_caller():
    assert json_text.parse("[NaN]", parse_constant=str) == ["NaN"]
