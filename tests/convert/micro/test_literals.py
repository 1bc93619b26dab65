"""Literals of C++."""

import pytest

from corallite.convert.micro.literals import format_bytes, format_number, format_text


def test_bytes_are_the_elements_of_an_array():
    content = bytes(range(256))
    text = format_bytes(content)
    assert bytes(map(int, text.replace("\n", "").rstrip(",").split(","))) == content
    assert max(map(len, text.splitlines())) <= 80
    assert format_bytes(b"") == ""


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("cat", '"cat"'),
        ('a "b" \\', r'"a \"b\" \\"'),
        ("what??/", r'"what\?\?/"'),
        ("é1", r'"\303\2511"'),
        ("猫", r'"\347\214\253"'),
        ("a\nb\0", r'"a\012b\000"'),
        ("\udcff", '"\\?"'.replace("\\?", "\\077")),
    ],
)
def test_text_is_a_literal_in_ascii(text, literal):
    assert format_text(text) == literal


@pytest.mark.parametrize(
    ("value", "literal"),
    [(1.0, "1.0f"), (0.5, "0.5f"), (1e-7, "1e-07f"), (0.1, "0.1f"), (2, "2.0f")],
)
def test_number_is_of_type_float(value, literal):
    assert format_number(value) == literal
