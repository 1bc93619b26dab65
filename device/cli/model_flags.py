"""Flags for what a model file does not say of itself, or says wrongly."""

import math

from absl import flags

from corallite.device.model.description.describe import OUTPUTS
from corallite.device.system.errors import RequestError

_INPUT_RANGE = flags.DEFINE_list(
    "input_range",
    None,
    "LOW,HIGH: numbers that the model's input takes for pixels 0 and 255, such as 0,1 "
    "or -1,1 or 0,255; default, what the file says.",
)
_OUTPUT = flags.DEFINE_enum(
    "output",
    None,
    OUTPUTS,
    "What the model gives: probabilities that sum to 1; logits, which a softmax makes "
    "so; or multilabel, a probability of its own for each label. Default, by the last "
    "operator of the file.",
)


def input_range() -> tuple[float, float] | None:
    """Returns the value of --input_range; None without it.

    Raises:
        RequestError: It is not two rising numbers.
    """
    words = _INPUT_RANGE.value
    if words is None:
        return None
    try:
        low, high = (float(word) for word in words)
        if not -math.inf < low < high < math.inf:
            raise ValueError(words)
    except ValueError as error:
        raise RequestError(
            f"--input_range={','.join(words)}: is not LOW,HIGH; write two "
            "numbers, such as --input_range=-1,1."
        ) from error
    return low, high


def output() -> str | None:
    """Returns the value of --output; None without it."""
    return _OUTPUT.value
