"""The best policy of the simulator, by dynamic programming."""

import numpy as np
from simulator import MOVING, change_load, list_choices, simulate_period

# Degrees of the grid, finer than what one period changes by.
_GRID_C = np.arange(20.0, 130.0, 0.25)
# Periods that the future counts: 1 / (1 - discount) is 5.5 hours.
_DISCOUNT = 0.9995
_CLOSE = 1e-6


class OptimalPolicy:
    """Knows the simulator and the temperature around the board; others do not."""

    def __init__(self, ambient_c: float) -> None:
        """Finds the best choice for each temperature and load by value iteration."""
        rewards, lower, weight = _tabulate(ambient_c)
        ends = np.array([change_load(is_burst) for is_burst in (False, True)])
        values = np.zeros((2, len(_GRID_C)))
        for _ in range(40_000):
            # The next temperature lies between two grid points.
            future = [
                v[n] + w * (v[n + 1] - v[n])
                for v, n, w in zip(values, lower, weight, strict=True)
            ]
            gains = rewards + _DISCOUNT * np.array(future)
            # Only the load of the last period is known.
            quality = gains + ends[:, None, None] * (gains[::-1] - gains)
            new = quality.max(1)
            # A constant that all values share does not change the choice.
            change = np.ptp(new - values)
            values = new - new.min()
            if change < _CLOSE:
                break
        self._best = quality.argmax(1)

    def choose(self, temperature_c: float, load: float) -> int:
        """Returns the index of the best choice after a period of that load."""
        row = int(np.clip(round((temperature_c - _GRID_C[0]) * 4), 0, len(_GRID_C) - 1))
        return int(self._best[int(load == MOVING[1]), row])


def _tabulate(ambient_c: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns reward, lower grid point and weight, each `[load, choice, degrees]`."""
    table = [
        [
            [simulate_period(choice, degrees, moving, ambient_c) for degrees in _GRID_C]
            for choice in list_choices()
        ]
        for moving in MOVING
    ]
    rewards = np.array([[[x.reward for x in row] for row in side] for side in table])
    after = np.array(
        [[[x.temperature_c for x in row] for row in side] for side in table]
    )
    place = np.clip((after - _GRID_C[0]) * 4, 0, len(_GRID_C) - 1.001)
    lower = place.astype(int)
    return rewards, lower, place - lower
