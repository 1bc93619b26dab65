"""The result of a check."""

import enum
from dataclasses import dataclass


class Level(enum.Enum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        level: FAILURE is something that will not work.
        text: What was found; without full stop.
        remedy: How to fix it; "" if nothing needs fixing.
    """

    level: Level
    text: str
    remedy: str = ""


def ok(text: str) -> Finding:
    """Returns a finding without a problem."""
    return Finding(Level.OK, text)


def warning(text: str, remedy: str = "") -> Finding:
    """Returns a finding of a possible problem."""
    return Finding(Level.WARNING, text, remedy)


def failure(text: str, remedy: str) -> Finding:
    """Returns a finding of something that will not work."""
    return Finding(Level.FAILURE, text, remedy)
