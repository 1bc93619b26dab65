"""Limits of the Edge TPU on operators, apart from their type and version.

Each function returns whether an operator is within a limit: (operator, model) -> bool.
Values that are unknown before the model runs count as within the limit.
"""

import math
from collections.abc import Callable

from corallite.convert.tflite.model import Model, Operator, Tensor

Check = Callable[[Operator, Model], bool]


def has_no_activation(operator: Operator, model: Model) -> bool:
    """No activation is fused into it."""
    return operator.options.get("activation", 0) == 0


def has_same_dilation(operator: Operator, model: Model) -> bool:
    """Height and width have the same dilation, or the kernel is a line."""
    kernel = operator.input(1)
    if kernel is None or len(kernel.shape) != 4 or 1 in kernel.shape[1:3]:
        return True
    return operator.options["dilation_w"] == operator.options["dilation_h"]


def has_constant_parameters(operator: Operator, model: Model) -> bool:
    """It reads only one computed tensor: weights and bias are constants."""
    return len(operator.read) == 1


def has_default_weights_format(operator: Operator, model: Model) -> bool:
    """The weights of a dense layer are not stored shuffled."""
    return operator.options["weights_format"] == 0


def pads_with_zeros_only(operator: Operator, model: Model) -> bool:
    """The only constant input is zero padding, next to one other input."""
    constants = operator.constants
    zeros = all(model.is_filled(t, _zero_point(t)) for t in constants)
    return not constants or (len(operator.inputs) == 2 and zeros)


def has_flat_slope(operator: Operator, model: Model) -> bool:
    """The slopes of a PReLU differ by channel only."""
    slope = operator.input(1)
    return slope is None or all(size == 1 for size in slope.shape[:-1])


def squeezes_leading_ones(operator: Operator, model: Model) -> bool:
    """A squeeze removes only leading dimensions, which moves no value."""
    before, after = operator.input(0), operator.output()
    if before is None or after is None:
        return True
    return _without_leading_ones(before.shape) == _without_leading_ones(after.shape)


def has_unit_strides(operator: Operator, model: Model) -> bool:
    """All strides of a slice are 1."""
    return set(model.integers(operator.input(3))) <= {1}


def has_plain_masks(operator: Operator, model: Model) -> bool:
    """A slice has neither ellipsis nor new axis."""
    return not (operator.options["ellipsis_mask"] or operator.options["new_axis_mask"])


def spares_batch(operator: Operator, model: Model) -> bool:
    """It does not pad, split, stack or reduce the first axis."""
    axes = _AXES[operator.name](operator, model)
    tensor = operator.input(1) if operator.name == "SPLIT" else operator.input(0)
    rank = len(tensor.shape) if tensor is not None else 0
    if operator.name == "PACK":
        rank += 1
    return all(axis % rank != 0 for axis in axes) if rank else True


def reduces_depth_by_fours(operator: Operator, model: Model) -> bool:
    """A reduction over the channels has a multiple of four of them."""
    source = operator.input(0)
    innermost = len(source.shape) - 1 if source is not None else 0
    return _reduced_sizes(operator, model).get(innermost, 0) % 4 == 0


def reduces_at_most(count: int) -> Check:
    """Limits how many values a reduction combines into one."""

    def check(operator: Operator, model: Model) -> bool:
        return math.prod(_reduced_sizes(operator, model).values()) <= count

    return check


def writes_one_row(operator: Operator, model: Model) -> bool:
    """Only the innermost dimension of the output is above 1."""
    output = operator.output()
    return output is None or all(size == 1 for size in output.shape[:-1])


def has_at_most(count: int) -> Check:
    """Limits the elements of the output."""

    def check(operator: Operator, model: Model) -> bool:
        output = operator.output()
        return output is None or output.element_count <= count

    return check


def merges_at_most(count: int) -> Check:
    """Limits the elements of a reshape that keeps the innermost dimension."""

    def check(operator: Operator, model: Model) -> bool:
        before, after = operator.input(0), operator.output()
        if before is None or after is None or before.shape[-1:] != after.shape[-1:]:
            return True
        return after.element_count <= count

    return check


def enlarges_at_most(factor: int, side: int) -> Check:
    """Limits the factor of a resize and, if it enlarges, the output size."""

    def check(operator: Operator, model: Model) -> bool:
        before, after = operator.input(0), operator.output()
        if before is None or after is None:
            return True
        if len(before.shape) != 4 or len(after.shape) != 4:
            return True
        pairs = zip(before.shape[1:3], after.shape[1:3], strict=True)
        return all(
            new <= old or (new <= factor * old and new <= side) for old, new in pairs
        )

    return check


def _zero_point(tensor: Tensor) -> int:
    return tensor.zero_points[0] if tensor.zero_points else 0


def _without_leading_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    first = next((i for i, size in enumerate(shape) if size != 1), len(shape))
    return shape[first:]


def _reduced_sizes(operator: Operator, model: Model) -> dict[int, int]:
    """Returns the sizes of the axes that a reduction removes, by axis."""
    tensor = operator.input(0)
    if tensor is None or not tensor.shape:
        return {}
    rank = len(tensor.shape)
    axes = {axis % rank for axis in model.integers(operator.input(1))}
    return {axis: abs(tensor.shape[axis]) for axis in axes}


def _padded_axes(operator: Operator, model: Model) -> tuple[int, ...]:
    pads = model.integers(operator.input(1))
    return tuple(axis for axis in range(len(pads) // 2) if any(pads[2 * axis :][:2]))


def _reduced_axes(operator: Operator, model: Model) -> tuple[int, ...]:
    return model.integers(operator.input(1))


def _split_axes(operator: Operator, model: Model) -> tuple[int, ...]:
    return model.integers(operator.input(0))


def _stacked_axes(operator: Operator, model: Model) -> tuple[int, ...]:
    return (operator.options["axis"],)


_AXES = {
    "PAD": _padded_axes,
    "SPLIT": _split_axes,
    "PACK": _stacked_axes,
    "MEAN": _reduced_axes,
    "SUM": _reduced_axes,
    "REDUCE_MAX": _reduced_axes,
    "REDUCE_MIN": _reduced_axes,
}
