"""The interval of a fraction."""

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
