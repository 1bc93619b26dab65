"""Flags for when a model names no class, shared by all programs that fit a refusal."""

from collections.abc import Callable

from absl import flags

from corallite.device.learn.fit_refusal import BACKGROUND, USUAL, Wanted

# --help then lists the flags among those of the program that calls `define`.
flags.disclaim_key_flags()


def define() -> Callable[[], Wanted]:
    """Defines the flags; returns a function that reads them."""
    precision = flags.DEFINE_float(
        "precision",
        USUAL.precision,
        "The share of named photos that shall be right; the others are unknown. At "
        "least half of the photos are named. 0: all are.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    background = flags.DEFINE_string(
        "background_class",
        None,
        "The class of photos that show none of the others: it is never named. Default, "
        f"{BACKGROUND!r} if there is such a class.",
    )
    return lambda: Wanted(precision.value, background.value)
