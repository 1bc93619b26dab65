"""Compares two models that answered the same images, each image with itself."""

import dataclasses
import math
from typing import Any

import numpy as np

_Z_95 = 1.96


@dataclasses.dataclass(frozen=True)
class Hop:
    """One step of the chain: what a model answers, next to the one it was made of.

    Attributes:
        from_name: The stage before: "float", "pruned", "qat", "ptq" and so on.
        to_name: The stage behind.
        top1_from: Share of right answers before, 0 to 1.
        top1_to: The same behind.
        difference: top1_to - top1_from; below 0 where accuracy was lost.
        interval: The 95 % interval of the difference (see `paired_interval`).
        agreement: Share of the images that both give the same most probable label.
    """

    from_name: str
    to_name: str
    top1_from: float
    top1_to: float
    difference: float
    interval: tuple[float, float]
    agreement: float

    @property
    def drop_points(self) -> float:
        """What was lost, in points of a hundred; below 0 if something was won."""
        # Rounded, so that 3 images of 600 are 0.5 points and no more.
        return round(-100 * self.difference, 9)

    def to_json(self) -> dict[str, Any]:
        fields = dataclasses.asdict(self)
        names = {"from": fields.pop("from_name"), "to": fields.pop("to_name")}
        return {**names, **fields}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Hop":
        fields = dict(content)
        names = {"from_name": fields.pop("from"), "to_name": fields.pop("to")}
        low, high = fields.pop("interval")
        return cls(**names, **fields, interval=(low, high))


def compare_answers(
    names: tuple[str, str], before: np.ndarray, after: np.ndarray, labels: np.ndarray
) -> Hop:
    """Compares the answers of two models, both int `[n]`, with the true labels."""
    right_before, right_after = before == labels, after == labels
    won = int(np.sum(right_after & ~right_before))
    lost = int(np.sum(right_before & ~right_after))
    count = len(labels)
    return Hop(
        *names,
        top1_from=float(np.mean(right_before)),
        top1_to=float(np.mean(right_after)),
        difference=(won - lost) / count,
        interval=paired_interval(won, lost, count),
        agreement=float(np.mean(before == after)),
    )


def paired_interval(won: int, lost: int, count: int) -> tuple[float, float]:
    """Returns the 95 % interval of (won - lost) / count.

    The score interval of Tango (1998, Statistics in Medicine 17:891-908): all
    differences that a two-sided test at 5 % does not reject. It needs the discordant
    pairs alone, and does not shrink to nothing where there are none, as the normal
    approximation does: of 600 pairs that agree, it says +-0.64 points.

    Args:
        won: Pairs of which only the second is right.
        lost: Pairs of which only the first is.
        count: All pairs.
    """
    upper = _upper_limit(won, lost, count)
    return -_upper_limit(lost, won, count), upper


def _upper_limit(won: int, lost: int, count: int) -> float:
    """Finds by bisection the greatest difference that is not rejected."""
    low, high = (won - lost) / count, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _score(middle, won, lost, count) < -_Z_95:
            high = middle
        else:
            low = middle
    return high


def _score(difference: float, won: int, lost: int, count: int) -> float:
    """Returns Tango's statistic: normal if `difference` is the true one."""
    deviation = won - lost - count * difference
    # The share of lost pairs that is most likely, given the difference.
    b = (2 * count - won + lost) * difference - won - lost
    c = -lost * difference * (1 - difference)
    share = (math.sqrt(max(b * b - 8 * count * c, 0.0)) - b) / (4 * count)
    variance = count * (2 * share + difference * (1 - difference))
    if variance > 0:
        return deviation / math.sqrt(variance)
    return math.copysign(math.inf, deviation) if deviation else 0.0
