"""Counts what goes wrong again and again, and tells of it now and then."""

from corallite.device.system import log


class Failures:
    """How often one thing has failed.

    The 1st, 2nd, 4th, 8th failure and so on is logged: a service that runs for weeks
    must not fill the log with one broken wire.

    Attributes:
        count: How many there were.
    """

    def __init__(self) -> None:
        """Has seen none."""
        self.count = 0

    def note(self, sentence: str) -> None:
        """Counts one more, and logs `sentence` if it is its turn."""
        self.count += 1
        if is_power_of_two(self.count):
            log.warning("%s (%d so far)", sentence, self.count)


def is_power_of_two(count: int) -> bool:
    """Tells whether to log something that may happen again for weeks, `count` times."""
    return count & (count - 1) == 0
