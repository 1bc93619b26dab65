"""Makes up networks from a list of operators, so that each is measured among others."""

import random
from collections import defaultdict
from collections.abc import Iterable

from corallite.device.benchmark.layers.operator import Operator

# As many as a small network has.
_NETWORK_SIZE = 48
_Shape = tuple[int, int, int]


def make_up_networks(
    operators: Iterable[Operator], seed: int = 0
) -> list[list[Operator]]:
    """Returns networks that have each of the operators once.

    An operator follows one whose output has the size of its input, where there is one
    left: in a network, too, an operator reads what has just been written.

    Args:
        operators: Different ones.
        seed: Another one gives other networks.
    """
    shuffled = list(operators)
    random.Random(seed).shuffle(shuffled)
    left = dict.fromkeys(shuffled)
    by_input: dict[_Shape, list[Operator]] = defaultdict(list)
    for operator in shuffled:
        by_input[_input(operator)].append(operator)
    networks: list[list[Operator]] = []
    shape: _Shape | None = None
    while left:
        # Others of this size may be used up.
        found = by_input[shape] if shape is not None else []
        while found and found[-1] not in left:
            found.pop()
        operator = found[-1] if found else next(iter(left))
        del left[operator]
        if not networks or len(networks[-1]) == _NETWORK_SIZE:
            networks.append([])
        networks[-1].append(operator)
        shape = (*operator.out_size, operator.out_channels)
    return networks


def _input(operator: Operator) -> _Shape:
    return operator.height, operator.width, operator.channels[0]
