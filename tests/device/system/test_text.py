"""Text for a terminal."""

from corallite.device.system.text import count_columns, cut, replace_unprintable


def test_control_characters_and_surrogates_are_replaced():
    assert replace_unprintable("\x1b[2Jä\n\udcff犬") == "?[2Jä??犬"


def test_wide_and_combining_characters_are_counted():
    assert count_columns("犬a\u0301") == 3


def test_cut_text_ends_with_a_mark():
    assert cut("label", 5) == "label"
    assert cut("label", 4) == "lab~"
    assert cut("犬犬犬", 4) == "犬~"
