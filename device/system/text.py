"""Prepares text for a terminal: printable, and of a limited width."""

import unicodedata

# C0 and C1, and DEL.
_CONTROLS = {n: "?" for n in (*range(32), *range(127, 160)) if chr(n) not in "\t\n"}


def replace_unprintable(text: str) -> str:
    """Puts "?" in place of characters that a terminal cannot print or encode."""
    return "".join(c if c.isprintable() else "?" for c in text)


def replace_controls(text: str) -> str:
    """Puts "?" in place of what a terminal obeys, but keeps tabs and line ends.

    A file's name or a label may hold an escape sequence.
    """
    return text.translate(_CONTROLS)


def count_columns(text: str) -> int:
    """Counts columns: East Asian wide characters take two, combining ones none."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def cut(text: str, columns: int) -> str:
    """Shortens `text` to `columns` and marks the cut with "~"."""
    used = end = 0
    # One pass, which ends with the last column: a label may be long.
    for position, character in enumerate(text, 1):
        used += count_columns(character)
        if used > columns:
            return text[:end] + "~"
        if used < columns:
            end = position
    return text
