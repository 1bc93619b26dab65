"""Names of classes: they come from a page, and become folders and labels."""

import pytest

from corallite.device.serve.capture.class_names import check_class_name
from corallite.device.system.errors import RequestError

HOSTILE = (
    *("", " ", "\t", ".", "..", ".hidden", "../x", "a/b", "/etc", "a\\b", "..\\x"),
    *("a\0b", "a\nb", "a\rb", "\x1b[2J", "\x7f", "a\u202eb", "a\u2028b", "a\ufeffb"),
    *("\ud800", "train", "val", "test", "Train", "unknown", "Unknown"),
    *("x" * 65, "\U0001f600" * 64),
)


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_name_is_refused_in_one_sentence(name):
    with pytest.raises(RequestError) as refused:
        check_class_name(name)
    sentence = str(refused.value)
    assert "\n" not in sentence and "; give" in sentence


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("cup", "cup"),
        ("  no cup ", "no cup"),
        ("cafe\u0301", "caf\u00e9"),
        ("瓶", "瓶"),
        ("a.b", "a.b"),
        ("-rf", "-rf"),
        ("x" * 64, "x" * 64),
        ("🥤", "🥤"),
        ("%2e%2e", "%2e%2e"),
    ],
)
def test_name_is_kept_in_normal_form(given, name):
    assert check_class_name(given) == name
