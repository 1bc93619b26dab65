"""What a check of a machine found."""

import enum
from dataclasses import dataclass


class Level(enum.Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        level: A failure is something that will not work.
        text: What was found, a sentence or its first part, without full stop.
        remedy: What to do; "" if there is nothing to be done.
    """

    level: Level
    text: str
    remedy: str = ""


def ok(text: str) -> Finding:
    """Returns a finding that all is well."""
    return Finding(Level.OK, text)


def warning(text: str, remedy: str = "") -> Finding:
    """Returns a finding of something that may disappoint."""
    return Finding(Level.WARNING, text, remedy)


def failure(text: str, remedy: str) -> Finding:
    """Returns a finding of something that will not work."""
    return Finding(Level.FAILURE, text, remedy)
