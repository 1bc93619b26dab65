"""Finds which numbers a model's input takes for pixels 0 and 255."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corallite.device.model.description import graph as g
from corallite.device.model.signature import TensorSpec
from corallite.device.system.errors import RequestError

METADATA = "its TFLite Metadata"
QUANTIZATION = "its quantization"
OPERATORS = "its first operators"
PIXELS = "its type, which takes pixels as they are"

_Range = tuple[float, float]
_PIXELS: _Range = (0.0, 255.0)
_SHARES: _Range = (0.0, 1.0)
# What networks are trained on.
_USUAL: tuple[_Range, ...] = (_SHARES, (-1.0, 1.0), _PIXELS, (-128.0, 127.0))
# A calibrated range is a little wider than what is in it, by its rounding.
_SLACK = 0.02
# Operators that scale an input come first: a subtraction, a product, casts.
_MOST_STEPS = 8
_PASSING = (g.CAST, g.DEQUANTIZE, g.RESHAPE)


def find_input_range(
    graph: g.FileGraph, metadata: Mapping[str, Any] | None, path: str | Path
) -> tuple[_Range | None, str]:
    """Returns the range of a model's only input, and where it is known from.

    None and "" if the file does not say.

    Args:
        graph: The model.
        metadata: Its TFLite Metadata; None if it has none.
        path: Its file, for errors.

    Raises:
        RequestError: The metadata normalize each channel by other numbers.
        DamagedError: The file is not intact.
    """
    (spec,) = graph.signature.inputs
    if spec.dtype == "uint8" and not spec.scale:
        return _SHARES, PIXELS
    described = _read_normalization(metadata, path)
    # Writers of metadata often describe the float model that a file was made from.
    if described and (spec.holds is None or spec.takes(described)):
        return described, METADATA
    if found := _match(spec):
        return found, QUANTIZATION
    return (None, "") if spec.holds else _follow(graph, graph.inputs[0])


def _read_normalization(
    metadata: Mapping[str, Any] | None, path: str | Path
) -> _Range | None:
    """Returns what (pixel - mean) / std gives for 0 and 255."""
    if metadata is None or len(metadata["inputs"]) != 1:
        return None
    (described,) = metadata["inputs"]
    means, deviations = set(described["mean"]), set(described["std"])
    if not means or not deviations or None in means | deviations or 0 in deviations:
        return None
    if len(means) > 1 or len(deviations) > 1:
        shown = "/".join(f"{x:.4g}" for x in described["mean"])
        raise RequestError(
            f"{path}: its TFLite Metadata normalize each channel by other numbers "
            f"(mean {shown}), but corallite gives all channels one range; give that "
            "with --input_range=LOW,HIGH of classify."
        )
    mean, deviation = means.pop(), deviations.pop()
    return (0.0 - mean) / deviation, (255 - mean) / deviation


def _match(spec: TensorSpec) -> _Range | None:
    """Returns the usual range that a quantized tensor is made for."""
    if spec.holds is None:
        return None
    low, high = spec.holds
    slack, is_symmetric = _SLACK * (high - low), spec.dtype == "int16"
    wide_enough = [
        (abs(low - least) + abs(high - most), (least, most))
        for least, most in _USUAL
        if spec.takes((least, most))
        and (is_symmetric or least - slack <= low)
        and high <= most + slack
    ]
    # In int16, (0, 1) and (-1, 1) look alike.
    if is_symmetric and len(wide_enough) > 1:
        return None
    return min(wide_enough)[1] if wide_enough else None


def _follow(graph: g.FileGraph, tensor: int) -> tuple[_Range | None, str]:
    """Reads the operators behind a float input that scale it."""
    scale, offset = 1.0, 0.0
    for _ in range(_MOST_STEPS):
        steps = graph.readers_of(tensor)
        if len(steps) != 1 or not steps[0].outputs:
            break
        step = steps[0]
        if step.code == g.QUANTIZE and (scale, offset) == (1.0, 0.0):
            found = _match(graph.tensor(step.outputs[0]))
            return found, QUANTIZATION if found else ""
        if step.code not in _PASSING:
            changed = _apply(graph, step, tensor, scale, offset)
            if changed is None:
                break
            scale, offset = changed
        tensor = step.outputs[0]
    found = _match_scaling(scale, offset)
    return found, OPERATORS if found else ""


def _apply(
    graph: g.FileGraph, step: g.Step, tensor: int, scale: float, offset: float
) -> tuple[float, float] | None:
    """Returns the scaling behind an operator; None if it does something else."""
    others = [number for number in step.inputs if number != tensor]
    numbers = _read_constant(graph, others[0]) if len(others) == 1 else ()
    if not numbers:
        return None
    # Channels differ a little at most; only the size of the numbers matters here.
    number = sum(numbers) / len(numbers)
    if step.code == g.MUL:
        return scale * number, offset * number
    if step.code == g.ADD:
        return scale, offset + number
    if step.inputs[0] != tensor:
        return None
    if step.code == g.SUB:
        return scale, offset - number
    if step.code == g.DIV and number:
        return scale / number, offset / number
    return None


def _read_constant(graph: g.FileGraph, tensor: int) -> tuple[float, ...]:
    """Returns a small constant, also one that is kept as float16."""
    if numbers := graph.constant(tensor):
        return numbers
    writer = graph.writer_of(tensor)
    is_unpacked = writer is not None and writer.code == g.DEQUANTIZE
    return graph.constant(writer.inputs[0]) if writer and is_unpacked else ()


def _match_scaling(scale: float, offset: float) -> _Range | None:
    """Returns the range that (x - mean) / deviation is for."""
    if (scale, offset) == (1.0, 0.0) or not scale:
        return None
    deviation, mean = abs(1 / scale), -offset / scale
    # 1/255, 1/127.5, ImageNet's 1/58, or a mean of 104 to 127.5 that is subtracted.
    if deviation >= 50 or mean >= 50:
        return _PIXELS
    # 2 * x - 1, or ImageNet's (x - 0.45) / 0.226.
    return _SHARES if 0.2 <= mean <= 0.8 and deviation <= 1 else None
