"""Runs a model file once, in a process of its own, which the file may crash."""

import contextlib
import importlib
import os
import sys

import numpy as np

from corallite.device.system.errors import RequestError
from corallite.device.system.process.parent_death import die_with_parent

_NICENESS = 10


def try_in_child(runner: str, path: str, parent: str) -> None:
    """Runs a file once on zeros.

    Exits with a sentence if it cannot be run. Ends with its parent, and leaves the
    processor to a loop that may run at the same time.

    Args:
        runner: The module in `runners` that runs it.
        path: A model file.
        parent: The id of the process that waits for the result.
    """
    die_with_parent(int(parent))
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    module = importlib.import_module(f"corallite.device.engine.runners.{runner}")
    try:
        loaded = module.load(path)
        inputs = loaded.signature.inputs
        loaded.run({x.name: np.zeros(x.shape, x.dtype) for x in inputs})
    except (RequestError, RuntimeError, ValueError, OSError) as error:
        sys.exit(" ".join(str(error).split()))
