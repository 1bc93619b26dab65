"""Formats labels and text in lines of at most 80 columns."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from corallite.convert.tflite.model import Operator, Tensor
from corallite.device.system.text import cut, replace_unprintable

WIDTH = 80
_LABEL = 14
MOST_LISTED = 8


def format_entries(entries: Iterable[tuple[str, str]]) -> list[str]:
    """Returns lines of labels and their text, wrapped to 80 columns."""
    return [line for label, text in entries for line in format_entry(label, text)]


def format_entry(label: str, text: str) -> list[str]:
    """Returns the lines of one label; "" continues the entry above."""
    indent = " " * _LABEL
    lines = textwrap.wrap(
        replace_unprintable(text),
        WIDTH,
        initial_indent=label.ljust(_LABEL),
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    return lines or [label]


def describe(thing: Tensor | Operator) -> str:
    """Returns the name and type of a tensor, or the number and name of an operator."""
    if isinstance(thing, Operator):
        output = thing.output()
        name = f" ({output.name})" if output else ""
        return f"{thing.index} {thing.custom_code or thing.name}{name}"
    zero = f" zero {thing.zero_points[0]}" if len(thing.zero_points) == 1 else ""
    kind = f"{thing.type.lower()} {format_shape(thing)}"
    return f"{thing.name} {kind} scale {format_scale(thing)}{zero}"


def format_shape(tensor: Tensor) -> str:
    """Returns a shape such as 1x224x224x3, with ? for open dimensions."""
    sizes = tensor.signature if -1 in tensor.signature else tensor.shape
    return "x".join("?" if size < 0 else str(size) for size in sizes) or "scalar"


def format_scale(tensor: Tensor) -> str:
    """Returns the scale of a tensor, or how many scales it has."""
    if len(tensor.scales) == 1:
        return f"{tensor.scales[0]:.3g}"
    return f"{len(tensor.scales)} axis" if tensor.scales else "-"


def list_some(sentences: Sequence[str]) -> Iterator[str]:
    """Yields the lines of the first sentences, and the number of the others."""
    for sentence in sentences[:MOST_LISTED]:
        yield from format_entry("", sentence)
    if len(sentences) > MOST_LISTED:
        yield from format_entry("", f"and {len(sentences) - MOST_LISTED} more (--json)")


def shorten(names: Sequence[str]) -> str:
    """Returns the first names, and the number of the others."""
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def format_count(count: int, thing: str) -> str:
    """Returns "no tensors", "1 tensor" or "2 tensors"."""
    return f"{count or 'no'} {thing}{'' if count == 1 else 's'}"


def fit(text: str, width: int) -> str:
    """Returns text truncated to `width`, with ~ at the end."""
    return cut(replace_unprintable(text), width)
