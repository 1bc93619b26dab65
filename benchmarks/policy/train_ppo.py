"""Trains a policy in the simulator by PPO, and writes it as a policy file.

    python -m venv rl && rl/bin/pip install stable-baselines3==2.9.2 .
    rl/bin/python benchmarks/policy/train_ppo.py --out=ppo_0.json --seed=0

stable-baselines3 needs PyTorch, hence the environment of its own. The network has two
layers of 16 and knows what the rule knows, the temperature of the sensor and its
change, and the load. Its most probable choice is the policy (PPO: arXiv:1707.06347).

The choices are those of the simulator, whose figures are made up. For a board, measure
its own choices and write them into `simulator._PAIRS` and `_MODELS` first.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from absl import app, flags
from policy_json import make_content
from simulator import BoardSimulator, list_choices
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize
from throttles import apply_policy

from corallite.device.loop.policy import scale_inputs
from corallite.device.system import files

_OUT = flags.DEFINE_string("out", None, "The policy file.", required=True)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of days, weights and exploration.")
_STEPS = flags.DEFINE_integer("steps", 3_000_000, "Periods to train.", lower_bound=1)


class _Asked:
    """A policy that chooses the last action."""

    index = 0

    def choose(self, temperature_c: float, load: float) -> int:
        """Returns the index of the last action."""
        return self.index


class BoardEnv(gymnasium.Env):  # type: ignore[misc]
    """The simulator for stable-baselines3, with the inputs of `NetworkPolicy`.

    An action is the index of a choice, which the loop may overrule.
    """

    def __init__(self) -> None:
        """Every day has another temperature around the board."""
        self._simulator = BoardSimulator()
        self.action_space = gymnasium.spaces.Discrete(len(list_choices()))
        self.observation_space = gymnasium.spaces.Box(-5, 5, (3,), np.float32)
        self._asked = _Asked()
        self._throttle = apply_policy(self._asked, self._simulator)
        self._fps = 0.0
        self._last_c: float | None = None

    def reset(self, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Begins a day with the first period, for which nothing is asked."""
        super().reset(seed=options.get("seed"))
        self._simulator.reset(**options)
        self._throttle = apply_policy(self._asked, self._simulator)
        self._last_c = None
        observation, *_, info = self._run()
        return observation, info

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Runs a choice for one period."""
        self._asked.index = int(action)
        self._throttle.update(self._simulator.read_board(), self._fps)
        return self._run()

    def _run(self) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        observation, *others, info = self._simulator.step(self._throttle.choice)
        self._fps = info["outcome"].fps
        return self._scale(observation), *others, info

    def _scale(self, observation: tuple[float, float]) -> np.ndarray:
        temperature_c, load = observation
        last_c, self._last_c = self._last_c, temperature_c
        return scale_inputs(temperature_c, last_c, load).astype(np.float32)


def main(argv: Sequence[str]) -> None:
    """Trains, and writes the file."""
    torch.set_num_threads(1)
    days = make_vec_env(BoardEnv, 32, seed=_SEED.value)
    # Heat may cost a hundred times what a period gives.
    days = VecNormalize(days, norm_obs=False, gamma=0.99)
    model = PPO(
        "MlpPolicy",
        days,
        n_steps=128,
        batch_size=1024,
        n_epochs=10,
        learning_rate=1e-3,
        gamma=0.99,
        ent_coef=0.003,
        policy_kwargs={"net_arch": [16, 16], "activation_fn": torch.nn.Tanh},
        seed=_SEED.value,
        device="cpu",
        verbose=1,
    )
    model.learn(_STEPS.value)
    policy = model.policy
    linear = [x for x in policy.mlp_extractor.policy_net if hasattr(x, "weight")]
    layers = [
        (x.weight.detach().numpy(), x.bias.detach().numpy())
        for x in (*linear, policy.action_net)
    ]
    files.write_json(Path(_OUT.value), make_content(layers))


if __name__ == "__main__":
    app.run(main)
