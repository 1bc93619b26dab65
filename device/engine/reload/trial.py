"""Tries a model that is to take another's place, in a process that may crash."""

import contextlib
import os
import sys

from corallite.device.engine.open_model import ModelRequest, open_model
from corallite.device.model import selftest
from corallite.device.system.errors import RequestError
from corallite.device.system.parent_death import die_with_parent

# Behind the loop, which goes on meanwhile and may need every core.
_NICENESS = 10


def main(request: str, parent: str) -> None:
    """Loads and asks a model; exits with status 2 and a sentence if it is not sound.

    An Edge TPU is not touched: the loop has it.

    Args:
        request: A `ModelRequest` as JSON, for the CPU.
        parent: The id of the process that wants to know.
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
