"""Counts repeated failures, and logs only some of them."""

from corallite.device.system import log


class Failures:
    """Counts the failures of one operation.

    It logs the 1st, 2nd, 4th, 8th failure and so on: one broken wire must not fill the
    log of a service that runs for weeks.

    Attributes:
        count: Failures so far.
    """

    def __init__(self) -> None:
        """Starts at 0."""
        self.count = 0

    def note(self, sentence: str) -> None:
        """Counts a failure; logs `sentence` if the count is a power of two."""
        self.count += 1
        if is_power_of_two(self.count):
            log.warning("%s (%d so far)", sentence, self.count)


def is_power_of_two(count: int) -> bool:
    """Returns whether to log the failure with this number."""
    return count & (count - 1) == 0
