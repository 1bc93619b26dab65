"""The flags of a process that trains together with others."""

import contextlib
from collections.abc import Callable

from absl import flags

from corallite.train.training.distribute.join import join
from corallite.train.training.distribute.workers import Workers

# --help then lists the flags among those of the program that calls `define`.
flags.disclaim_key_flags()


def define() -> Callable[[], contextlib.AbstractContextManager[Workers]]:
    """Defines the flags; returns a function that joins the other processes.

    Call it before TensorFlow does anything.
    """
    workers = flags.DEFINE_list(
        "workers",
        None,
        "host:port of every process that trains together, the same list in each; "
        "default: those of TF_CONFIG, or this one alone.",
    )
    index = flags.DEFINE_integer(
        "index", None, "Which of --workers this process is, from 0.", lower_bound=0
    )
    return lambda: join(workers.value, index.value)
