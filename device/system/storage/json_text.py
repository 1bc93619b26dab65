"""Reads JSON that somebody else may have written."""

import json
from collections.abc import Callable
from typing import Any

# Ours has up to eight levels, and a Keras model within a wrapper about fifteen. Python
# ends in a RecursionError when it reads, compares or prints several hundred.
_MOST_LEVELS = 64
_TOO_DEEP = f"has more than {_MOST_LEVELS} levels of lists and objects"


def parse(
    text: str | bytes, *, parse_constant: Callable[[str], Any] | None = None
) -> Any:
    """Returns the content of JSON text.

    Args:
        text: The text; bytes are UTF-8, UTF-16 or UTF-32.
        parse_constant: Called with "NaN", "Infinity" or "-Infinity".

    Raises:
        ValueError: It is not JSON, or has more than 64 levels of lists and objects.
    """
    try:
        content = json.loads(text, parse_constant=parse_constant)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    level = [content]
    for _ in range(_MOST_LEVELS + 1):
        level = [child for node in level for child in _children(node)]
        if not level:
            return content
    raise ValueError(_TOO_DEEP)


def _children(node: Any) -> Any:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()
