"""The operators that the Edge TPU compiler supports, and their limits.

Sources: Coral's table of supported operators, models with their compiled files in
public repositories (p), published logs (l), and issues of google-coral/edgetpu (i and
their number). Nothing was tried on the compiler itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from corallite.convert.edgetpu.predict import limits
from corallite.convert.edgetpu.predict.compilers import (
    COMPILERS,
    INTERPOLATION,
    UNIT_STRIDES,
    UNSPECIFIED,
    Compiler,
)


@dataclass(frozen=True)
class Limit:
    """A condition on an operator.

    Attributes:
        keeps: Returns whether an operator is within the limit.
        suggestion: What to change about an operator that is not.
        status: The compiler's status of such an operator.
        since: The first compiler with this limit.
        until: The last compiler with this limit.
    """

    keeps: limits.Check
    suggestion: str
    status: str = UNSPECIFIED
    since: float = 1.0
    until: float = 16.0


@dataclass(frozen=True)
class Rule:
    """How the compiler supports a type of operator.

    Attributes:
        versions: The highest mapped version, by the first compiler that maps it:
            {"1.0": 2, "16.0": 3}. Earlier compilers, and runtimes older than that
            compiler's, do not support the type.
        limits: Conditions on each operator.
    """

    versions: Mapping[str, int]
    limits: tuple[Limit, ...] = ()

    def highest_version(self, compiler: Compiler) -> int:
        """Returns the highest version that `compiler` maps, 0 if none."""
        known = [
            version
            for since, version in self.versions.items()
            if COMPILERS[since].number <= compiler.number
            and COMPILERS[since].runtime <= compiler.runtime
        ]
        return max(known, default=0)


_NO_ACTIVATION = Limit(
    limits.has_no_activation, "make the activation a separate operator"
)
# Kernels of 3x1 were mapped with dilations of 2x1 and 4x1 (p).
_SAME_DILATION = Limit(
    limits.has_same_dilation, "dilate height and width by the same factor"
)
_CONSTANT_PARAMETERS = Limit(
    limits.has_constant_parameters, "make its weights and bias constants"
)
_NOT_OVER_BATCH = Limit(limits.spares_batch, "use another axis than the batch axis")
# Mapped after 32,768 values were split in four; 8,192 are the most seen mapped (i461).
_FEW_VALUES = Limit(
    limits.reduces_at_most(16_384),
    "split the tensor, take the mean of each piece and then of the means",
)
_DEPTH_BY_FOURS = Limit(
    limits.reduces_depth_by_fours,
    "reduce height and width only, or make the channels a multiple of 4",
)
_ONE_ROW = Limit(
    limits.writes_one_row,
    "use a batch of 1, and 1x1 convolutions for computations at every pixel",
)
# Seen mapped: 6 to 12, 12 to 24, 24 to 48 (p), 64 to 128 (i31, i187). Seen refused: 1
# to 33 and 33 to 513 (p), 128 to 256 (i187), 256 to 512 (i31). Between is a guess.
_SMALL_STEP = limits.enlarges_at_most(factor=8, side=128)
_ENLARGE = (
    "enlarge by 2 at a time, up to 128 pixels, and leave the rest to the CPU; enlarge "
    "1x1 with TILE"
)
_PRECISE = (
    Limit(_SMALL_STEP, _ENLARGE, INTERPOLATION, until=2.0),  # i63
    Limit(_SMALL_STEP, _ENLARGE, since=2.1),
)
_CONVOLUTION = (_SAME_DILATION, _CONSTANT_PARAMETERS)

# The highest version seen mapped; if none was seen, the version for int8.
RULES: Mapping[str, Rule] = {
    "ADD": Rule({"1.0": 2}),
    "AVERAGE_POOL_2D": Rule({"1.0": 2}, (_NO_ACTIVATION,)),
    "CONCATENATION": Rule(
        {"1.0": 2},
        (
            _NO_ACTIVATION,
            Limit(limits.pads_with_zeros_only, "do not concatenate constants"),
        ),
    ),
    "CONV_2D": Rule({"1.0": 3}, _CONVOLUTION),
    "DEPTHWISE_CONV_2D": Rule({"1.0": 3}, _CONVOLUTION),
    # The type is supported, its float output is not.
    "DEQUANTIZE": Rule({"1.0": 6}),
    "EXPAND_DIMS": Rule({"2.1": 1}),
    "FULLY_CONNECTED": Rule(
        {"1.0": 4},
        (
            _CONSTANT_PARAMETERS,
            Limit(
                limits.has_default_weights_format,
                "convert without shuffled weights",
            ),
            _ONE_ROW,
        ),
    ),
    "L2_NORMALIZATION": Rule({"1.0": 2}),
    "LOGISTIC": Rule({"1.0": 2}),
    "MAXIMUM": Rule({"1.0": 2}),
    "MAX_POOL_2D": Rule({"1.0": 2}, (_NO_ACTIVATION,)),
    "MEAN": Rule({"1.0": 2}, (_NOT_OVER_BATCH, _DEPTH_BY_FOURS, _FEW_VALUES)),
    "MINIMUM": Rule({"1.0": 2}),
    "MUL": Rule({"1.0": 2}),
    "PACK": Rule({"2.1": 2}, (_NOT_OVER_BATCH,)),
    "PAD": Rule({"1.0": 2}, (_NOT_OVER_BATCH,)),
    "PRELU": Rule(
        {"2.1": 1},
        (Limit(limits.has_flat_slope, "share the slopes: shared_axes=[1, 2]"),),
    ),
    # The table has it from runtime 13 on; runtime 12 mapped it too (p).
    "QUANTIZE": Rule({"2.0": 2}),
    # The table has it from runtime 14 on; runtime 12 mapped it too (p).
    "REDUCE_MAX": Rule({"2.0": 2}, (_NOT_OVER_BATCH,)),
    "REDUCE_MIN": Rule({"16.0": 2}, (_NOT_OVER_BATCH,)),
    "RELU": Rule({"1.0": 2}),
    "RELU6": Rule({"1.0": 2}),
    "RELU_N1_TO_1": Rule({"1.0": 1}),
    "RESHAPE": Rule(
        {"1.0": 1},
        # [1, 6400, 3, 15] to [1, 19200, 15] is refused (p), as in a YOLOv5s of 384
        # pixels, and of 256 it is not, 261,120 values (i512). [1, 80, 80, 45] to [1,
        # 6400, 3, 15] is mapped (p).
        (Limit(limits.merges_at_most(270_000), "reshape outside the model, after it"),),
    ),
    "RESIZE_BILINEAR": Rule({"1.0": 2, "16.0": 3}, _PRECISE),
    "RESIZE_NEAREST_NEIGHBOR": Rule({"1.0": 2, "16.0": 3}, _PRECISE),
    "RSQRT": Rule({"16.0": 2}),
    "SLICE": Rule({"1.0": 2}),
    "SOFTMAX": Rule(
        {"1.0": 2},
        # The table says 16,000; 16,384 were mapped (p).
        (_ONE_ROW, Limit(limits.has_at_most(16_384), "use fewer classes")),
    ),
    "SPACE_TO_DEPTH": Rule({"1.0": 2}),
    "SPLIT": Rule({"1.0": 2}, (_NOT_OVER_BATCH,)),
    "SQUARED_DIFFERENCE": Rule({"16.0": 2}),
    "SQUEEZE": Rule(
        {"1.0": 1},
        (Limit(limits.squeezes_leading_ones, "reshape instead"),),
    ),
    "STRIDED_SLICE": Rule(
        {"1.0": 4},
        (
            Limit(
                limits.has_unit_strides,
                "slice without strides; a pooling or a strided convolution can skip",
                UNIT_STRIDES,
                until=15.0,
            ),
            Limit(limits.has_plain_masks, "slice without ellipsis and new axis"),
        ),
    ),
    "SUB": Rule({"1.0": 2}),
    "SUM": Rule({"2.1": 2}, (_NOT_OVER_BATCH,)),
    "TANH": Rule({"1.0": 2}),
    # Not in Coral's table; mapped from 1x1 to 33x33 (p).
    "TILE": Rule({"15.0": 1}),
    "TRANSPOSE": Rule(
        {"16.0": 4},
        # Mapped: 49,980 values, the second of three in a YOLOv5s (i512). Refused:
        # 104,000 (p), 150,528 (i433). Between is a guess.
        (Limit(limits.has_at_most(57_344), "keep the channels last throughout"),),
    ),
    "TRANSPOSE_CONV": Rule({"2.1": 3}, (_CONSTANT_PARAMETERS,)),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Rule({"16.0": 1}),
}
