"""How much of a model has to run on the Edge TPU for a check to pass."""

import re
from dataclasses import dataclass

from corallite.device.system.errors import RequestError

_SHARE = re.compile(r"0?\.\d+|1\.0*|0\.")


@dataclass(frozen=True)
class MinMapped:
    """The least there has to be.

    Attributes:
        share: Of all operators, 0 to 1.
        count: Of operators.
    """

    share: float = 0.0
    count: int = 0

    def holds(self, mapped: int, total: int) -> bool:
        """Tells whether `mapped` of `total` operators are enough."""
        # Divided, not multiplied: 0.7 * 10 is more than 7.
        return mapped >= self.count and mapped / max(total, 1) >= self.share


def parse_min_mapped(text: str) -> MinMapped:
    """Reads "0.95", a share, or "70", a count.

    Raises:
        RequestError: It is neither; or "1", which could be either.
    """
    if _SHARE.fullmatch(text):
        return MinMapped(share=float(text))
    if text.isascii() and text.isdigit() and text != "1":
        return MinMapped(count=int(text))
    raise RequestError(
        "Expected --min_mapped to be a share with a point, 0.0 to 1.0, or a count of "
        f"operators above 1, got {text!r}."
    )
