"""Text for a terminal."""

import unicodedata

from corallite.device.system.text import (
    count_columns,
    cut,
    replace_controls,
    replace_unprintable,
)


def test_control_characters_and_surrogates_are_replaced():
    assert replace_unprintable("\x1b[2Jä\n\udcff犬") == "?[2Jä??犬"


def test_line_ends_and_what_is_not_a_control_stay():
    assert (
        replace_controls("\x1b[2J\x9b1m\x7f\rä\t犬\n\udcff") == "?[2J?1m??ä\t犬\n\udcff"
    )


def test_wide_and_combining_characters_are_counted():
    assert count_columns("犬a\u0301") == 3


def test_cut_text_ends_with_a_mark():
    assert cut("label", 5) == "label"
    assert cut("label", 4) == "lab~"
    assert cut("犬犬犬", 4) == "犬~"
    assert cut("a\u0301b", 2) == "a\u0301b"
    assert cut("a\u0301bc", 2) == "a\u0301~"
    assert (cut("犬犬", 1), cut("", 1)) == ("~", "")


def test_cut_examines_no_more_of_a_long_text_than_fits(monkeypatch):
    examined = []

    def width(character):
        examined.append(character)
        return "N"

    monkeypatch.setattr(unicodedata, "east_asian_width", width)
    assert len(cut("x" * 10**6, 80)) == 80
    assert len(examined) == 81
