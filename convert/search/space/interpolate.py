"""Prices an operator of any width from measured operators of few widths.

A board would need days for all widths of a space of networks. The latency of a
convolution grows with its input channels, its output channels and their product, so
between measured widths it is interpolated along both: exact for such a sum.
"""

import bisect
import dataclasses
import itertools
import math
from collections.abc import Iterable

from corallite.device.benchmark.layers.latency_table import LatencyTable
from corallite.device.benchmark.layers.operator import PAIRS, RECTIFIABLE, Operator

# Channels that are measured.
WIDTHS = (4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536)
# An operator and its share of the price.
Corner = tuple[Operator, float]


def list_corners(operator: Operator) -> list[Corner]:
    """Returns the measured operators that an operator lies between, with their shares.

    Rectifiers take no time of their own, so they are left out; and how the inputs of a
    concatenation differ, or how much a slice leaves, says little beside the result.
    """
    if operator.kind in RECTIFIABLE and operator.activation != "none":
        operator = dataclasses.replace(operator, activation="none")
    axes = [_bracket(width) for width in _widths_of(operator)]
    return [
        (_with_widths(operator, [width for width, _ in point]), share)
        for point in itertools.product(*axes)
        if (share := math.prod(share for _, share in point))
    ]


def interpolate(table: LatencyTable, operator: Operator) -> float:
    """Returns the milliseconds of an operator; infinite if the table lacks a corner."""
    corners = list_corners(operator)
    times = (table.milliseconds.get(x.key, math.inf) for x, _ in corners)
    return sum(time * share for time, (_, share) in zip(times, corners, strict=True))


def list_measured(operators: Iterable[Operator]) -> list[Operator]:
    """Returns the operators that a table must have to price these, each once."""
    every = (x for operator in set(operators) for x, _ in list_corners(operator))
    return sorted(set(every), key=lambda operator: operator.key)


def _widths_of(operator: Operator) -> tuple[int, ...]:
    """Returns the widths of an operator that are interpolated."""
    if operator.kind == "softmax":
        return ()
    if operator.kind == "conv":
        return operator.channels[0], operator.out_channels
    if operator.kind == "dense":
        return operator.channels[:1]
    return (operator.out_channels,)


def _with_widths(operator: Operator, widths: list[int]) -> Operator:
    """Returns an operator with other widths of `_widths_of`."""
    if not widths:
        return operator
    first, last = widths[0], widths[-1]
    if operator.kind == "dense":
        last = operator.out_channels
    channels: tuple[int, ...] = (first,)
    if operator.kind in PAIRS:
        channels = (first, first)
    elif operator.kind == "concat":
        channels = _divide(first, len(operator.channels))
        last = sum(channels)  # One more where there are too few to divide.
    elif operator.kind == "slice":
        channels = (2 * first,)
    return dataclasses.replace(operator, channels=channels, out_channels=last)


def _divide(total: int, parts: int) -> tuple[int, ...]:
    """Returns about equal whole numbers of this sum."""
    ends = [total * number // parts for number in range(parts + 1)]
    return tuple(max(1, b - a) for a, b in itertools.pairwise(ends))


def _bracket(width: int) -> list[tuple[int, float]]:
    """Returns the measured widths around a width, each with its share."""
    if width <= WIDTHS[0] or width >= WIDTHS[-1]:
        return [(width, 1.0)]  # Of the image's three channels, for example.
    place = bisect.bisect_right(WIDTHS, width)
    low, high = WIDTHS[place - 1], WIDTHS[min(place, len(WIDTHS) - 1)]
    share = (width - low) / (high - low)
    return [(low, 1 - share), (high, share)]
