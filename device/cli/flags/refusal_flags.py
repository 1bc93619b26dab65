"""Flags for when a result is unknown, shared by all programs that fit a refusal."""

from collections.abc import Callable

from absl import flags

from corallite.device.learn.fit_refusal import (
    BACKGROUND,
    DEFAULT_SETTINGS,
    RefusalSettings,
)

# --help then lists the flags among those of the program that calls `define`.
flags.disclaim_key_flags()


def define() -> Callable[[], RefusalSettings]:
    """Defines the flags; returns a function that reads them."""
    precision = flags.DEFINE_float(
        "precision",
        DEFAULT_SETTINGS.precision,
        "The share of named photos that should be right; the others are unknown. At "
        "least half of the photos are named. 0: name every photo.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    background = flags.DEFINE_string(
        "background_class",
        None,
        "The class of photos that show none of the others; it is never named. Default: "
        f"{BACKGROUND!r}, if there is such a class.",
    )
    return lambda: RefusalSettings(precision.value, background.value)
