"""The releases of the Edge TPU compiler, and the statuses they give to operators.

Facts without a source are from Coral's documentation and from logs and issues of
google-coral/edgetpu; i225 is its issue 225.
"""

from dataclasses import dataclass, replace

# The status of an operator in the compiler's log.
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
        number: The short version; it orders the releases.
        name: The version it prints.
        tensorflow: Its version of TensorFlow Lite, derived from the newest operator
            versions that it accepts and the oldest that it rejects.
        runtime: The oldest Edge TPU runtime that runs its output.
        types: The data types of that runtime.
        depthwise_factor: Bytes on the chip per weight of a depthwise convolution;
            fitted to logs.
        softmax_factor: Bytes on the chip per class of a softmax; fitted to 10 and 1001
            classes.
    """

    number: float
    name: str
    tensorflow: tuple[int, int]
    runtime: int
    types: tuple[str, ...] = ("INT8", "UINT8")
    depthwise_factor: int = 4
    softmax_factor: int = 0

    def for_runtime(self, version: int | None) -> "Compiler":
        """Returns the compiler with a --min_runtime_version; None: its default."""
        if version is None or version >= self.runtime:
            return self
        types = self.types if version >= INT8_RUNTIME else _FIRST_TYPES
        return replace(self, runtime=version, types=types)


# Compiled for runtime 10 or 11, int8 is "an unsupported data type" (i222, i225, i358).
INT8_RUNTIME = 12
_FIRST_TYPES = ("UINT8",)
# With their default runtimes.
COMPILERS = {
    "1.0": Compiler(1.0, "1.0.249710469", (1, 14), 10, _FIRST_TYPES, 3),
    "2.0": Compiler(2.0, "2.0.291256449", (2, 1), 12),
    "2.1": Compiler(2.1, "2.1.302470888", (2, 1), 13),
    "14.1": Compiler(14.1, "14.1.317412892", (2, 3), 13),
    "15.0": Compiler(15.0, "15.0.340273435", (2, 4), 13),
    "16.0": Compiler(16.0, "16.0.384591198", (2, 6), 14, softmax_factor=48),
}
# The latest.
DEFAULT_COMPILER = "16.0"
