"""absl's log, loaded with the first log line.

absl.logging imports sockets, temporary files and more. That would be a tenth of the
time to the first prediction of `classify`, which logs nothing before it.
"""

import sys
from typing import Any

from corallite.device.system.text import replace_controls

_is_for_program = False


def begin_program() -> None:
    """Writes log lines from INFO on to stderr, once the log is loaded."""
    global _is_for_program
    _is_for_program = True
    if "absl.logging" in sys.modules:
        _set_up()


def load() -> None:
    """Loads the log and its flags now."""
    __getattr__("info")


def __getattr__(name: str) -> Any:
    """Returns the attribute of `absl.logging`."""
    is_new = "absl.logging" not in sys.modules
    from absl import logging

    if is_new and _is_for_program:
        _set_up()
    return getattr(logging, name)


def _set_up() -> None:
    from absl import logging

    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
    logging.get_absl_handler().python_handler.addFilter(_make_printable)


def _make_printable(record: Any) -> bool:
    """Removes what a terminal obeys from a log record; a filter, which passes all."""
    message = record.getMessage()
    shown = replace_controls(message)
    if shown != message:
        record.msg, record.args = shown, ()
    return True
