"""The longest texts of a manifest, so that each frame's work and output are bounded."""

from collections.abc import Mapping
from typing import TypeVar

_T = TypeVar("_T")
# A class folder's name has at most 255 bytes; ImageNet's longest label has 131.
MOST_LABEL_CHARACTERS = 256
MOST_TEXT_CHARACTERS = 1024
# Versions by tool, or accuracies by stage.
MOST_ENTRIES = 100


def require_short(text: str, what: str, most: int = MOST_TEXT_CHARACTERS) -> str:
    """Returns `text`.

    Args:
        text: Of a manifest.
        what: Names it in the error.
        most: Largest number of characters.

    Raises:
        ValueError: It is longer.
    """
    if len(text) > most:
        raise ValueError(f"{what} has {len(text):,} characters, of at most {most:,}")
    return text


def require_label(text: str) -> str:
    """Returns a label; raises `ValueError` if it is too long."""
    return require_short(text, "a label", MOST_LABEL_CHARACTERS)


def require_small(entries: Mapping[str, _T], what: str) -> Mapping[str, _T]:
    """Returns `entries`; raises `ValueError` for too many or a name too long."""
    if len(entries) > MOST_ENTRIES:
        raise ValueError(
            f"{what} has {len(entries):,} entries, of at most {MOST_ENTRIES}"
        )
    for name in entries:
        require_short(name, f"a name in {what}")
    return entries
