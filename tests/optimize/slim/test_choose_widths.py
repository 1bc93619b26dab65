"""The widths chosen are the best ones within the limits."""

import itertools

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.optimize.slim.choose_widths import Cost, Limit, choose_widths

PAIRS = ((0, 1), (2, 1), (3, 0), (2, 2))


def draw_problem(seed):
    """Returns values of the widths of four groups, and a cost with pairs of them."""
    rng = np.random.default_rng(seed)
    values = [np.sort(rng.random(rng.integers(2, 5))) for _ in range(4)]
    cost = Cost(constant=1.0)
    for group, widths in enumerate(values):
        cost.add_single(group, np.sort(rng.random(len(widths))))
    for a, b in PAIRS:
        cost.add_pair(a, b, rng.random((len(values[a]), len(values[b]))))
    return values, cost


def value_of(values, choice):
    return sum(value[number] for value, number in zip(values, choice, strict=True))


@pytest.mark.parametrize("seed", range(10))
def test_choice_is_the_best_of_all_within_two_limits(seed):
    values, latency = draw_problem(seed)
    size = Cost(single={0: 1.0 * np.arange(len(values[0]))})
    every = list(itertools.product(*(range(len(x)) for x in values)))
    most = float(np.median([latency.of(x) for x in every]))
    within = [x for x in every if latency.of(x) <= most and x[0] <= 1]

    choice = choose_widths(
        values, [Limit(latency, most, "latency_ms"), Limit(size, 1.0, "bytes")]
    )

    # The solver counts 1e-6 above a limit as within.
    assert latency.of(choice) <= most + 1e-6
    assert choice[0] <= 1
    best = max(value_of(values, x) for x in within)
    assert value_of(values, choice) >= best - 1e-6


def test_nothing_is_removed_if_the_limit_allows_everything():
    values, cost = draw_problem(0)
    whole = tuple(len(x) - 1 for x in values)
    assert choose_widths(values, [Limit(cost, 1e9, "macs")]) == whole


def test_impossible_limit_is_refused_with_what_is_possible():
    cost = Cost(constant=2.0, single={0: np.array([1.0, 3.0])})
    with pytest.raises(RequestError, match=r"within 2\.5 ms; .* it has 3 ms:"):
        choose_widths([np.array([0.5, 1.0])], [Limit(cost, 2.5, "latency_ms")])


def test_cost_of_a_pair_does_not_depend_on_the_order_of_its_groups():
    costs = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    one, other = Cost(), Cost()
    one.add_pair(0, 1, costs)
    other.add_pair(1, 0, costs.T)
    assert one.of([1, 2]) == other.of([1, 2]) == 6.0
