"""Reads the widths of all blocks of a network from JSON."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any


def parse_configuration(kind: type, content: Any) -> Any:
    """Returns a dataclass of this kind, such as a network's `Config`.

    Args:
        kind: A dataclass of numbers, text, tuples and other such dataclasses.
        content: What `dataclasses.asdict` returned for one, as JSON has it.

    Raises:
        ValueError: `content` is something else; the message names the field.
    """
    return _parse(kind, content, kind.__name__)


def _parse(kind: Any, content: Any, name: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _parse_fields(kind, content, name)
    if typing.get_origin(kind) is tuple:
        (member, _) = typing.get_args(kind)
        if not isinstance(content, list | tuple):
            raise _unexpected(name, "a list", content)
        return tuple(_parse(member, x, f"{name}[{n}]") for n, x in enumerate(content))
    if isinstance(kind, types.UnionType):
        (kind,) = (x for x in typing.get_args(kind) if x is not types.NoneType)
        return None if content is None else _parse(kind, content, name)
    if type(content) is not kind:
        raise _unexpected(name, f"of type {kind.__name__}", content)
    if kind is int and not 0 < content < _MOST:
        raise _unexpected(name, f"above 0 and below {_MOST}", content)
    return content


# Of a size. Memory that it asks for is refused later, by name of the layer.
_MOST = 1 << 16


def _parse_fields(kind: Any, content: Any, name: str) -> Any:
    if not isinstance(content, Mapping):
        raise _unexpected(name, "an object", content)
    types_by_name = typing.get_type_hints(kind)
    unknown = sorted(set(content) - set(types_by_name))
    if unknown:
        raise ValueError(f"Expected `{name}` to have no field {unknown[0]!r}.")
    try:
        return kind(
            **{x: _parse(types_by_name[x], y, x) for x, y in content.items()},
        )
    except TypeError as error:
        raise ValueError(f"Expected `{name}` to have all fields: {error}.") from error


def _unexpected(name: str, rule: str, value: Any) -> ValueError:
    return ValueError(f"Expected `{name}` to be {rule}, got {value!r}.")
