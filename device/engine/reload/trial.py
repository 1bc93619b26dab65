"""Tries a model that will replace another, in a process that may crash."""

import contextlib
import os
import sys

from corallite.device.engine.open_model import ModelRequest, open_model
from corallite.device.model import selftest
from corallite.device.system.errors import RequestError
from corallite.device.system.process.parent_death import die_with_parent

# The loop runs at the same time, and may need every core.
_NICENESS = 10


def main(request: str, parent: str) -> None:
    """Loads and checks a model; exits with status 2 and a sentence if it fails.

    An Edge TPU is not used, because the loop uses it.

    Args:
        request: A `ModelRequest` as JSON, for the CPU.
        parent: The id of the process that waits for the result.
    """
    die_with_parent(int(parent))
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    try:
        engine = open_model(ModelRequest.from_json(request))
        selftest.check(engine)
    except (RequestError, RuntimeError, ValueError, OSError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(2)
