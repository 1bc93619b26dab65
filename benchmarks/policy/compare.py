"""Compares policies in the simulator with the best one, over days and temperatures.

    python benchmarks/policy/compare.py --ppo=ppo_0.json --ppo=ppo_1.json

Each policy runs the same days: the temperature around the board is 20, 30 or 40
degrees, and the bursts have the seeds 0 to 4. `score` is the share of events that were
seen and named correctly, less the cost of heat, in percent of the best score; `above`
the share of time above the limit. Without --ppo, PPO is left out: `train_ppo.py` needs
PyTorch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from absl import flags
from bandits import EpsilonGreedy, UpperConfidence
from optimum import OptimalPolicy
from simulator import DAY_STEPS, LIMIT_C, BoardSimulator, list_choices

from corallite.device.board.sensors import Board
from corallite.device.cli import program
from corallite.device.loop.policy import RulePolicy
from corallite.device.loop.policy_file import read_policy
from corallite.device.loop.thermal import ThermalThrottle

_PPO = flags.DEFINE_multi_string("ppo", [], "Policy files of `train_ppo.py`.")
_SEEDS = flags.DEFINE_integer("seeds", 5, "Days for each temperature.", lower_bound=1)
_AMBIENTS_C = (20.0, 30.0, 40.0)
_COUNT = len(list_choices())


class AlwaysLast:
    """The choice of most power, whatever happens; the firmware throttles the board."""

    def choose(self, temperature_c: float, load: float) -> int:
        """Returns the last index."""
        return _COUNT - 1


class RateAlone:
    """`ThermalThrottle`, which lowers the rate in small steps, as without --policy.

    It gets the rate of the last choice, and uses the one whose rate is the nearest
    below its limit.
    """

    def __init__(self) -> None:
        """Starts without a limit."""
        self._throttle = ThermalThrottle(LIMIT_C)
        self._fps = [choice.fps for choice in list_choices()]
        self._index = _COUNT - 1

    def choose(self, temperature_c: float, load: float) -> int:
        """Returns the index of a choice."""
        fps = self._throttle.limit_fps or self._fps[self._index]
        self._throttle.update(Board(temperature_c=temperature_c), fps)
        limit_fps = self._throttle.limit_fps
        self._index = _COUNT - 1
        if limit_fps is not None:
            fits = [n for n, fps in enumerate(self._fps) if fps <= limit_fps]
            self._index = max(fits, default=0)
        return self._index


class FromFile:
    """A policy file as the loop uses it: the first choice at the limit."""

    def __init__(self, path: str) -> None:
        """Reads the file."""
        self._policy = read_policy(path).policy

    def choose(self, temperature_c: float, load: float) -> int:
        """Returns the index of a choice."""
        index = self._policy.choose(temperature_c, load)
        return 0 if temperature_c >= LIMIT_C else index


def main(argv: Sequence[str]) -> None:
    """Runs all policies, and prints a table."""
    program.reject_arguments(argv)
    makers: dict[str, Callable[[float, int], Any]] = {
        "best (dynamic programming)": lambda ambient_c, seed: OptimalPolicy(ambient_c),
        "rule with trend": lambda ambient_c, seed: RulePolicy(_COUNT, LIMIT_C),
        **{
            f"PPO, seed {n}": lambda ambient_c, seed, path=path: FromFile(path)
            for n, path in enumerate(_PPO.value)
        },
        "rate alone (without --policy)": lambda ambient_c, seed: RateAlone(),
        "epsilon-greedy": lambda ambient_c, seed: EpsilonGreedy(_COUNT, seed),
        "UCB": lambda ambient_c, seed: UpperConfidence(_COUNT, seed),
        "always the last": lambda ambient_c, seed: AlwaysLast(),
    }
    print("| policy | 20 degrees | 30 | 40 | above, at 40 |")
    print("| :----- | ---------: | -: | -: | -----------: |")
    best: list[float] = []
    for name, make in makers.items():
        days = [_run_days(make, ambient_c) for ambient_c in _AMBIENTS_C]
        best = best or [float(np.mean(scores)) for scores, _ in days]
        cells = [
            _format(100 * scores / top)
            for (scores, _), top in zip(days, best, strict=True)
        ]
        print(
            f"| {name} | {' | '.join(cells)} | {100 * days[-1][1]:.1f} % |", flush=True
        )
    print(f"\nThe best scores are {', '.join(f'{100 * x:.1f} %' for x in best)}.")


def _format(percent: np.ndarray) -> str:
    return f"{percent.mean():.1f} ({percent.min():.1f} to {percent.max():.1f})"


def _run_days(
    make: Callable[[float, int], Any], ambient_c: float
) -> tuple[np.ndarray, float]:
    """Returns the score of each day, and the share of time above the limit."""
    days = [
        _run_day(make(ambient_c, seed), ambient_c, seed) for seed in range(_SEEDS.value)
    ]
    return np.array([score for score, _ in days]), float(np.mean([x for _, x in days]))


def _run_day(policy: Any, ambient_c: float, seed: int) -> tuple[float, float]:
    simulator = BoardSimulator(ambient_c)
    observation, _ = simulator.reset(seed=seed)
    rewards = moving = hot = 0.0
    is_over = False
    while not is_over:
        observation, reward, _, is_over, info = simulator.step(
            policy.choose(*observation)
        )
        if isinstance(policy, EpsilonGreedy):
            policy.learn(reward / info["moving"])
        rewards, moving = rewards + reward, moving + info["moving"]
        hot += info["outcome"].temperature_c > LIMIT_C
    return rewards / moving, hot / DAY_STEPS


if __name__ == "__main__":
    program.run(main)
