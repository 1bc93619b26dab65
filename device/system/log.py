"""absl's log, which is loaded with the first line that there is to write.

It brings sockets, temporary files and more: a tenth of the time to the first answer of
`classify`, which has nothing to say before.
"""

import sys
from typing import Any

_is_for_program = False


def begin_program() -> None:
    """Has lines from INFO on written to stderr; not loaded before there is one."""
    global _is_for_program
    _is_for_program = True
    if "absl.logging" in sys.modules:
        _set_up()


def load() -> None:
    """Loads it now, with the flags that it defines."""
    __getattr__("info")


def __getattr__(name: str) -> Any:
    """Returns what `absl.logging` has under that name."""
    is_new = "absl.logging" not in sys.modules
    from absl import logging

    if is_new and _is_for_program:
        _set_up()
    return getattr(logging, name)


def _set_up() -> None:
    from absl import logging

    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
