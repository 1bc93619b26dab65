"""The flags of a conversion, shared by all programs that convert."""

from collections.abc import Callable

from absl import flags

from corallite.convert.export.plan import METHODS, Request
from corallite.device.cli.flags import refusal_flags
from corallite.optimize.quantize.specs import GRANULARITIES
from corallite.train.cli import run_flags

# --help then lists the flags among those of the program that calls `define`.
flags.disclaim_key_flags()


def define() -> Callable[[], Request]:
    """Defines the flags; returns a function that reads them."""
    method = flags.DEFINE_enum(
        "method", None, METHODS, "How to quantize; by default what suits the stage."
    )
    granularity = flags.DEFINE_enum(
        "granularity",
        None,
        GRANULARITIES,
        "Scales of a convolution: per channel, or per tensor (STM32MP2 and others); by "
        "default as the stage was trained, else per channel.",
    )
    max_drop = flags.DEFINE_float(
        "max_drop",
        None,
        "Percentage points of top-1 that int8 may be below float on the validation "
        "split; by default 0.5 after quantization-aware training, else 1.",
        lower_bound=0.0,
    )
    refusal = refusal_flags.define()
    overwrite = run_flags.define_overwrite()
    return lambda: Request(
        method=method.value,
        granularity=granularity.value,
        max_drop=max_drop.value,
        refusal=refusal(),
        overwrite=overwrite.value,
    )
