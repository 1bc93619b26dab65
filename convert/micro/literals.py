"""Writes Python values as literals of C++."""

from collections.abc import Iterable

_BYTES_A_LINE = 20
_ESCAPES = {'"': '\\"', "\\": "\\\\", "?": "\\?"}  # "??/" is a trigraph.


def format_bytes(content: bytes) -> str:
    """Returns the elements of an array, some on each line."""
    rows = (
        content[start : start + _BYTES_A_LINE]
        for start in range(0, len(content), _BYTES_A_LINE)
    )
    return "\n".join(f"{','.join(map(str, row))}," for row in rows)


def format_text(text: str) -> str:
    """Returns a string literal, in UTF-8 and without characters beyond ASCII."""
    return f'"{"".join(map(_escape, text))}"'


def format_number(value: float) -> str:
    """Returns a literal of type float, with all its digits."""
    text = f"{value:.9g}"
    return f"{text}f" if set(text) & set(".en") else f"{text}.0f"


def format_list(elements: Iterable[str]) -> str:
    """Returns the elements of an array, one on each line."""
    return "\n".join(f"    {element}," for element in elements)


def _escape(character: str) -> str:
    if " " <= character <= "~":
        return _ESCAPES.get(character, character)
    # Three octal digits, which no following digit can lengthen.
    return "".join(f"\\{x:03o}" for x in character.encode(errors="replace"))
