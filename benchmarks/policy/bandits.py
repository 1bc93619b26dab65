"""Bandits: they learn from rewards which choice is best, and know no temperature."""

import numpy as np

# Rewards of the last 1 / _RATE uses of a choice count: heat changes what is best.
_RATE = 0.05


class EpsilonGreedy:
    """The best choice so far, and in one of 20 periods any other."""

    def __init__(self, count: int, seed: int, epsilon: float = 0.05) -> None:
        """Starts with the belief that every choice is as good as possible."""
        self._rng = np.random.default_rng(seed)
        self._epsilon = epsilon
        self._means = np.ones(count)

    def choose(self, temperature_c: float, load: float) -> int:
        """Returns the index of a choice."""
        if self._rng.random() < self._epsilon:
            return int(self._rng.integers(len(self._means)))
        return int(self._means.argmax())

    def learn(self, index: int, reward: float) -> None:
        """Takes the reward of the choice that ran, divided by the load."""
        self._means[index] += _RATE * (reward - self._means[index])


class UpperConfidence(EpsilonGreedy):
    """The choice that could be best: less used ones get a bonus (UCB1, discounted)."""

    def __init__(self, count: int, seed: int) -> None:
        """Starts without uses."""
        super().__init__(count, seed)
        self._uses = np.ones(count)

    def choose(self, temperature_c: float, load: float) -> int:
        """Returns the index of a choice."""
        bonus = 0.2 * np.sqrt(2 * np.log(self._uses.sum()) / self._uses)
        return int((self._means + bonus).argmax())

    def learn(self, index: int, reward: float) -> None:
        """Takes the reward of the choice that ran, divided by the load."""
        super().learn(index, reward)
        self._uses *= 0.999
        self._uses[index] += 1
