"""The least that has to be mapped."""

import pytest

from corallite.convert.edgetpu.compile.gate import parse_min_mapped
from corallite.device.system.errors import RequestError


@pytest.mark.parametrize(
    ("text", "mapped", "holds"),
    [
        ("0.0", 0, True),
        ("0", 0, True),
        ("0.7", 7, True),
        ("0.7", 6, False),
        (".5", 5, True),
        ("1.0", 10, True),
        ("1.0", 9, False),
        ("9", 9, True),
        ("9", 8, False),
    ],
)
def test_of_ten_operators_enough_are_mapped(text, mapped, holds):
    assert parse_min_mapped(text).holds(mapped, 10) is holds


@pytest.mark.parametrize("text", ["1", "1.5", "-1", "95%", "all", ""])
def test_what_is_neither_share_nor_count_is_refused(text):
    with pytest.raises(RequestError, match="a share with a point"):
        parse_min_mapped(text)
