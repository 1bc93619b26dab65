"""Work that one process does while others do other work."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from corallite.device.system.errors import RequestError
from corallite.train.runs import lock


@contextlib.contextmanager
def claim(folder: Path) -> Iterator[bool]:
    """Yields whether no other process has this folder; none gets it in the block.

    A process that is killed has it no longer.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.hold(folder, "search"))
            is_ours = True
        except RequestError:
            is_ours = False
        yield is_ours
