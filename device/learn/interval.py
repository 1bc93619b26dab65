"""The interval of a fraction, and the test of a difference."""

import math

_Z_95 = 1.96


def wilson_interval(successes: int, count: int) -> tuple[float, float]:
    """Returns the 95 % interval of a fraction, within 0 to 1 (Wilson 1927)."""
    share = successes / count
    spread = _Z_95**2 / count
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    # Rounded: of 5 of 5, the upper end is 1.
    return max(0.0, round(centre - half, 12)), min(1.0, round(centre + half, 12))


def sign_test(gained: int, lost: int) -> float:
    """Returns the exact one-sided p-value of a loss (McNemar's test).

    The probability of at least so many losses among all pairs that differ, if a gain is
    as likely as a loss; 1 if no pair differs.

    Args:
        gained: Pairs of which only the second is right.
        lost: Pairs of which only the first is.
    """
    count = gained + lost
    ways = sum(math.comb(count, k) for k in range(lost, count + 1))
    return ways / 2**count
