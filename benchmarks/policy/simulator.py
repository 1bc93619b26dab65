"""A board in a day: first-order heat, bursts of events, a clock that throttles.

`BoardSimulator` has the interface of gymnasium's `Env` without needing gymnasium; its
actions are `Choice`s. One step is one period of the loop's controller. All figures are
made up, in the range of a Raspberry Pi 5 without a fan; nothing was fitted to a real
board.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from corallite.device.board.sensors import Board
from corallite.device.loop.policy import Choice
from corallite.device.loop.thermal import PERIOD_S

DAY_STEPS = round(24 * 3600 / PERIOD_S)
LIMIT_C = 80.0
IDLE_WATTS = 2.5
_BUSY_WATTS = 4.5
# Degrees per watt, and the time in which 63 % of a change is reached.
_RESISTANCE_C, _TIME_CONSTANT_S = 11.0, 120.0
# The firmware halves the clock between these temperatures.
_THROTTLE_C = (82.0, 87.0)
# Share of frames that move, and mean seconds, of calm and of bursts.
MOVING = (0.05, 1.0)
_MEAN_S = (600.0, 300.0)
# Mean time that an event can be seen.
_VISIBLE_S = 0.2
# Per period and degree above the limit: two degrees cost all events.
_HOT_COST = 0.5
# Milliseconds and top-1 of a small model, and of its cascade with a large one.
_MODELS = {"first": (20.0, 0.76), "both": (32.0, 0.85)}
# The second model alone at 8 or 16 frames/s sees less than these at more power.
_PAIRS = (("first", 2), ("first", 5), ("first", 10), ("both", 10), ("both", 20))
# What the sensor and the firmware of a Raspberry Pi show.
_SENSOR_C = 0.55
_IS_THROTTLED = 0x4


def list_choices() -> tuple[Choice, ...]:
    """Returns what a policy chooses from, in rising order of power."""
    return tuple(
        Choice(model, fps, latency_ms, _find_watts(fps * latency_ms), accuracy)
        for model, fps in _PAIRS
        for latency_ms, accuracy in [_MODELS[model]]
    )


class Outcome(NamedTuple):
    """What a period gives.

    Attributes:
        temperature_c: At its end.
        fps: Frames per second.
        seen: The share of events that are seen and named correctly, 0 to 1.
        reward: `seen`, weighted by the load, less the cost of heat.
    """

    temperature_c: float
    fps: float
    seen: float
    reward: float


def simulate_period(
    choice: Choice, temperature_c: float, moving: float, ambient_c: float
) -> Outcome:
    """Returns what a choice gives in one period.

    Args:
        choice: The model and the rate.
        temperature_c: At the start.
        moving: The share of frames that are classified; the others are still.
        ambient_c: The temperature around the board.
    """
    low, high = _THROTTLE_C
    clock = 1 - 0.5 * min(max((temperature_c - low) / (high - low), 0), 1)
    fps = min(choice.fps, clock * 1000 / choice.latency_ms)
    watts = IDLE_WATTS + moving * clock * (
        _find_watts(fps * choice.latency_ms / clock) - IDLE_WATTS
    )
    final_c = ambient_c + _RESISTANCE_C * watts
    decay = math.exp(-PERIOD_S / _TIME_CONSTANT_S)
    after_c = final_c + (temperature_c - final_c) * decay
    # Frames at a fixed rate; times of visibility are exponentially distributed.
    frames = fps * _VISIBLE_S
    seen = choice.accuracy * frames * (1 - math.exp(-1 / frames))
    cost = _HOT_COST * max(0.0, after_c - LIMIT_C)
    return Outcome(after_c, fps, seen, moving * seen - cost)


def change_load(is_burst: bool) -> float:
    """Returns the probability that calm or a burst ends in a period."""
    return PERIOD_S / _MEAN_S[is_burst]


class BoardSimulator:
    """A day of a board.

    An observation is what the sensor shows, and the load of the last period. Before the
    first, it is calm.
    """

    def __init__(self, ambient_c: float | None = None) -> None:
        """Takes the temperature around the board; None: 20 to 40, anew each day."""
        self.temperature_c = 0.0
        self.is_burst = False
        self._given_c = ambient_c
        self._ambient_c = 0.0
        self._rng = np.random.default_rng(0)
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[tuple[float, float], dict[str, Any]]:
        """Begins a day with a cold board; returns temperature and load."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        given_c = self._given_c
        self._ambient_c = self._rng.uniform(20, 40) if given_c is None else given_c
        self.temperature_c = self._ambient_c + _RESISTANCE_C * IDLE_WATTS
        self.is_burst, self._steps = False, 0
        return self.observe(), {}

    def step(
        self, action: Choice
    ) -> tuple[tuple[float, float], float, bool, bool, dict[str, Any]]:
        """Runs a choice for one period; `info` has the `Outcome` and the load."""
        self.is_burst ^= bool(self._rng.random() < change_load(self.is_burst))
        moving = MOVING[self.is_burst]
        outcome = simulate_period(action, self.temperature_c, moving, self._ambient_c)
        self.temperature_c = outcome.temperature_c
        info = {"outcome": outcome, "moving": moving}
        self._steps += 1
        is_over = self._steps >= DAY_STEPS
        return self.observe(), outcome.reward, False, is_over, info

    def observe(self) -> tuple[float, float]:
        """Returns the temperature of the sensor, and the load of the last period."""
        shown_c = _SENSOR_C * round(self.temperature_c / _SENSOR_C)
        return shown_c, MOVING[self.is_burst]

    def read_board(self) -> Board:
        """Returns what `sensors.read_board` returns on a board."""
        is_throttled = self.temperature_c > _THROTTLE_C[0]
        return Board(self.observe()[0], throttled=_IS_THROTTLED * is_throttled)


def _find_watts(busy_ms: float) -> float:
    """Returns the power at so many milliseconds of work in each second."""
    return IDLE_WATTS + _BUSY_WATTS * min(busy_ms / 1000, 1.0)
