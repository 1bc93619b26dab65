"""Compares policies in the simulator with the best one, over days and temperatures.

    python benchmarks/policy/compare.py --ppo=ppo_0.json --ppo=ppo_1.json

Each policy runs the same days: the temperature around the board is 20, 30 or 40
degrees, and the bursts have the seeds 0 to 4. `score` is the share of events that were
seen and named correctly, less the cost of heat, in percent of the best score; `above`
the share of time above the limit. All but the best and the last run as in the loop: at
the limit, or while the firmware throttles, the choice of least power replaces theirs.
Without --ppo, PPO is left out: `train_ppo.py` needs PyTorch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from absl import flags
from bandits import EpsilonGreedy, UpperConfidence
from optimum import OptimalPolicy
from simulator import DAY_STEPS, LIMIT_C, BoardSimulator, list_choices
from throttles import PolicyAlone, RateAlone, Throttle, apply_policy

from corallite.device.cli import program
from corallite.device.loop.policy import RulePolicy
from corallite.device.loop.policy_file import read_policy

_PPO = flags.DEFINE_multi_string("ppo", [], "Policy files of `train_ppo.py`.")
_SEEDS = flags.DEFINE_integer("seeds", 5, "Days for each temperature.", lower_bound=1)
_AMBIENTS_C = (20.0, 30.0, 40.0)
_COUNT = len(list_choices())


class AlwaysLast:
    """The choice of most power, whatever happens; the firmware throttles the board."""

    def choose(self, temperature_c: float, load: float) -> int:
        """Returns the last index."""
        return _COUNT - 1


def main(argv: Sequence[str]) -> None:
    """Runs all policies, and prints a table."""
    program.reject_arguments(argv)
    makers: dict[str, Callable[[float, int], Any]] = {
        "best (dynamic programming)": lambda ambient_c, seed: OptimalPolicy(ambient_c),
        "rule with trend": lambda ambient_c, seed: RulePolicy(_COUNT, LIMIT_C),
        **{
            f"PPO, seed {n}": lambda ambient_c, seed, path=path: (
                read_policy(path).policy
            )
            for n, path in enumerate(_PPO.value)
        },
        "rate alone (without --policy)": lambda ambient_c, seed: None,
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
    simulator.reset(seed=seed)
    throttle = _make_throttle(policy, simulator)
    rewards = moving = hot = 0.0
    is_over = False
    while not is_over:
        choice = throttle.choice
        _, reward, _, is_over, info = simulator.step(choice)
        if isinstance(policy, EpsilonGreedy):
            policy.learn(list_choices().index(choice), reward / info["moving"])
        throttle.update(simulator.read_board(), info["outcome"].fps)
        rewards, moving = rewards + reward, moving + info["moving"]
        hot += info["outcome"].temperature_c > LIMIT_C
    return rewards / moving, hot / DAY_STEPS


def _make_throttle(policy: Any, simulator: BoardSimulator) -> Throttle:
    if policy is None:
        return RateAlone()
    if isinstance(policy, OptimalPolicy | AlwaysLast):
        return PolicyAlone(policy, simulator)
    return apply_policy(policy, simulator)


if __name__ == "__main__":
    program.run(main)
