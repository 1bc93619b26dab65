"""Makes up networks from a list of operators, so that each is measured among others."""

import math
import random
from collections import defaultdict
from collections.abc import Iterable

from corallite.device.benchmark.layers.operator import Operator

# As many operators as a real network has: a smaller one would fit into the caches.
# The bytes of all outputs are limited, because they may be in memory at the same time.
_NETWORK_SIZE = 64
_NETWORK_BYTES = 16 << 20
# Steps over used operators before the walk jumps to an unused one.
_LONGEST_DETOUR = 3
_Shape = tuple[int, int, int]


def make_up_networks(
    operators: Iterable[Operator], seed: int = 0
) -> list[list[Operator]]:
    """Returns networks of equal length that have each operator at least once.

    An operator follows one whose output has the size of its input, where there is one:
    in a network, too, an operator reads what has just been written.

    Args:
        operators: Different ones.
        seed: Another one gives other networks.
    """
    walk = _Walk(operators, random.Random(seed))
    networks: list[list[Operator]] = []
    while walk.left:
        networks.append([])
        size = 0
        while len(networks[-1]) < _NETWORK_SIZE and size < _NETWORK_BYTES:
            operator = walk.step()
            networks[-1].append(operator)
            size += math.prod(operator.out_size) * operator.out_channels
    return networks


class _Walk:
    """A random walk: the next operator reads what the last one writes, if one can.

    Attributes:
        left: The unused operators.
    """

    def __init__(self, operators: Iterable[Operator], rng: random.Random) -> None:
        shuffled = list(operators)
        rng.shuffle(shuffled)
        self._rng = rng
        self._all = shuffled
        self.left = dict.fromkeys(shuffled)
        self._readers: dict[_Shape, list[Operator]] = defaultdict(list)
        self._new_readers: dict[_Shape, list[Operator]] = defaultdict(list)
        for operator in shuffled:
            shape = (operator.height, operator.width, operator.channels[0])
            self._readers[shape].append(operator)
            self._new_readers[shape].append(operator)
        self._shape: _Shape = (0, 0, 0)
        self._detour = 0

    def step(self) -> Operator:
        """Returns the next operator."""
        operator = self._choose()
        self._detour = 0 if operator in self.left else self._detour + 1
        self.left.pop(operator, None)
        self._shape = (*operator.out_size, operator.out_channels)
        return operator

    def _choose(self) -> Operator:
        found = self._new_readers[self._shape]
        # Some were used since they were listed.
        while found and found[-1] not in self.left:
            found.pop()
        if found:
            return found[-1]
        known = self._readers[self._shape]
        if known and (self._detour < _LONGEST_DETOUR or not self.left):
            return self._rng.choice(known)
        return next(iter(self.left), None) or self._rng.choice(self._all)
