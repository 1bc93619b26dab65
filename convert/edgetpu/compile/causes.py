"""Why the Edge TPU compiler stopped, by what it printed.

The texts are from published logs and threads of google-coral/edgetpu; i490 is its
issue 490.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """What a text of the compiler means.

    Attributes:
        pattern: Found in what it prints.
        cure: What to do.
        again: Whether another try may pass.
        is_local: Whether one operator can be to blame, which is then looked for.
    """

    pattern: str
    cure: str
    again: bool = False
    is_local: bool = True

    def find(self, text: str) -> str:
        """Returns the line of `text` that it is found in, "" if it is not."""
        lines = (line.strip() for line in text.splitlines())
        return next((line for line in lines if re.search(self.pattern, line)), "")


_STATIC = "convert with a batch of 1 and fixed sizes, so that all of them are constants"
# The first that is found counts: what says most stands before what merely follows it.
CAUSES = (
    # i168, i213, i222, i313, i391
    Cause(
        r"Model not quantized",
        "convert to full int8: corallite convert",
        is_local=False,
    ),
    # i34, i45, i147, i152, i210, i340, i384, i631, i845, i879
    Cause(
        r"Didn't find op for builtin opcode|builtin_code out of range",
        "convert with options, or a TensorFlow of the compiler's time, that give a "
        "lower operator version",
    ),
    # i718
    Cause(
        r"Regular TensorFlow ops are not supported|unresolved custom op|Flex[A-Z]",
        "convert without SELECT_TF_OPS",
    ),
    # i490, i512, i601
    Cause(
        r"large activation tensors",
        "use a smaller input, or leave the large operators to the CPU: "
        "--search_delegate",
    ),
    # i586, i829, i831
    Cause(r"dynamic-sized tensors", _STATIC),
    Cause(r"failed in Tflite interpreter", _STATIC),
    # i828
    Cause(
        r"is not supported on DarwiNN",
        "select channels by a 1x1 convolution, or slice them without strides",
    ),
    # i381
    Cause(
        r"operands don't have the same rank",
        "give both operands of a broadcast the same number of dimensions",
    ),
    # i47, i49, i92, i104, i148, i157, i173, i189, i190, i206, i211, i283, i365, i378,
    # i419
    Cause(
        r"Internal compiler error",
        "replace the operator, make its tensors smaller, or use another compiler",
        again=True,
    ),
    Cause(r"Model could not be parsed", "convert the model again", is_local=False),
    Cause(r"Invalid model", "convert the model again", is_local=False),
)
TIMEOUT_CURE = (
    "give it longer (--timeout_s), or leave the large operators to the CPU: "
    "--search_delegate"
)
UNKNOWN_CURE = "see what it printed; --search_delegate leaves more to the CPU"


def find_cause(text: str) -> Cause | None:
    """Returns what a failed compiler's output says of the reason; None if nothing."""
    return next((cause for cause in CAUSES if cause.find(text)), None)
