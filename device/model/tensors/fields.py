"""Reads fields of a manifest's JSON, and refuses what they cannot hold."""

import math
from typing import Any

from corallite.device.model.text_bounds import require_label, require_short
from corallite.device.system.files import printable


def text(content: dict[str, Any], name: str, default: str | None = None) -> str:
    """Returns a text that is short and can be written to logs and JSON.

    Args:
        content: A JSON object.
        name: The field.
        default: Used if the field is missing; None: it is required.

    Raises:
        KeyError, TypeError, ValueError: It is missing, not text, or too long.
    """
    found = content[name] if default is None else content.get(name, default)
    if not isinstance(found, str):
        raise TypeError(f"{name} is not text")
    # Written to logs and JSON, which cannot hold half a surrogate pair.
    return printable(require_short(found, name))


def finite(number: Any) -> float:
    """Returns a number that JSON can have; `float` also takes the text "nan".

    Raises:
        TypeError, ValueError: It is not a finite number.
    """
    if not math.isfinite(found := float(number)):
        raise ValueError(f"{found} is not a number")
    return found


def whole(content: dict[str, Any], name: str, least: int, most: int) -> int:
    """Returns an integer from `least` to `most`.

    Raises:
        KeyError, TypeError, ValueError: It is missing or something else.
    """
    found = int(content[name])
    if not least <= found <= most:
        raise ValueError(f"{name} is {found}, not from {least} to {most}")
    return found


def labels(content: dict[str, Any]) -> tuple[str, ...]:
    """Returns the labels of an output.

    Raises:
        KeyError, TypeError, ValueError: They are missing, or one is too long.
    """
    return tuple(require_label(str(label)) for label in content["labels"])
