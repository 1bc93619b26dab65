"""The cost of a network at any widths is that of the network with these channels."""

import numpy as np
import pytest

from corallite.optimize.slim.layer_operators import list_layer_operators
from corallite.optimize.slim.network_cost import NetworkCost
from corallite.optimize.slim.operator_costs import count_macs
from corallite.optimize.slim.remove_channels import remove_channels
from corallite.optimize.slim.trace_channels import trace_channels
from corallite.train.models import cost, registry


def list_widths(channels):
    """Returns four widths of each group, or fewer of a small one."""
    sizes = [len(group.atoms) for group in channels.groups]
    return [np.unique(np.ceil(np.linspace(0.25, 1, 4) * n)).astype(int) for n in sizes]


def keep(channels, widths, choice):
    kept = np.ones(channels.size, bool)
    for group, width, number in zip(channels.groups, widths, choice, strict=True):
        kept[group.atoms[width[number] :]] = False
    return kept


@pytest.mark.parametrize(
    ("name", "width"),
    [("resnet8", 1.0), ("mobilenet_v2", 0.35), ("shufflenet_v2", 0.5)],
)
def test_multiply_accumulates_are_those_of_the_narrower_network(name, width):
    # They are a product of the numbers of channels at both ends of a layer, so the
    # cost is exact even where an end has several groups.
    model = registry.build(name, (32, 32, 3), 10, width=width)
    channels = trace_channels(model)
    widths = list_widths(channels)
    layers = list(list_layer_operators(model, channels))
    network = NetworkCost(channels, widths, layers).build(count_macs)

    rng = np.random.default_rng(0)
    choices = [[len(x) - 1 for x in widths], [0 for _ in widths]]
    choices.append([int(rng.integers(len(x))) for x in widths])
    for choice in choices:
        slim = remove_channels(model, channels, keep(channels, widths, choice))
        assert network.of(choice) == pytest.approx(cost.count_macs(slim), rel=1e-9)


def test_every_operator_is_listed_before_it_is_priced():
    model = registry.build("shufflenet_v2", (32, 32, 3), 10, width=0.5)
    channels = trace_channels(model)
    layers = list(list_layer_operators(model, channels))
    network = NetworkCost(channels, list_widths(channels), layers)
    asked = set()

    def price(operator):
        asked.add(operator)
        return 1.0

    network.build(price)
    assert asked == network.list_operators()
