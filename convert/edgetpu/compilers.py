"""The releases of the Edge TPU compiler, and what they say of an operator.

Facts without another source are from Coral's documentation and the logs and threads of
google-coral/edgetpu; i225 is its issue 225.
"""

from dataclasses import dataclass

# What stands behind an operator in the compiler's log.
MAPPED = "Mapped to Edge TPU"
LATER_SUBGRAPH = "More than one subgraph is not supported"
DATA_TYPE = "Operation is working on an unsupported data type"
UNSPECIFIED = (
    "Operation is otherwise supported, but not mapped due to some unspecified "
    "limitation"
)
UNSUPPORTED = "Operation not supported"
VERSION = "Operation version not supported"
RANK = "Tensor has unsupported rank (up to 3 innermost dimensions mapped)"
UNIT_STRIDES = "Only Strided-Slice with unitary strides supported"
INTERPOLATION = "Image-interpolation layer won't run precisely enough on Edge TPU"


@dataclass(frozen=True)
class Compiler:
    """One release of the compiler.

    Attributes:
        number: As people say it, which also orders them.
        name: What it prints of itself.
        tensorflow: The TensorFlow Lite that it parses models with; concluded from the
            newest operator versions that it takes and the oldest that it does not.
        types: What its default runtime computes with.
        depthwise_factor: Bytes on the chip for a weight of a depthwise convolution;
            fitted to logs.
        softmax_factor: The same for a class of a softmax; fitted to 10 and 1001.
    """

    number: float
    name: str
    tensorflow: tuple[int, int]
    types: tuple[str, ...] = ("INT8", "UINT8")
    depthwise_factor: int = 4
    softmax_factor: int = 0


# Their default runtimes are 10, 12, 13, 13, 13 and 14. Compiled for runtime 10, int8
# is "an unsupported data type" (i222, i225, i358).
COMPILERS = {
    "1.0": Compiler(1.0, "1.0.249710469", (1, 14), ("UINT8",), 3),
    "2.0": Compiler(2.0, "2.0.291256449", (2, 1)),
    "2.1": Compiler(2.1, "2.1.302470888", (2, 1)),
    "14.1": Compiler(14.1, "14.1.317412892", (2, 3)),
    "15.0": Compiler(15.0, "15.0.340273435", (2, 4)),
    "16.0": Compiler(16.0, "16.0.384591198", (2, 6), softmax_factor=48),
}
# The last there is.
DEFAULT_COMPILER = "16.0"
