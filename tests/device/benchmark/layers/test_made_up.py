"""Networks that are made up from operators."""

from corallite.device.benchmark.layers.made_up import make_up_networks
from corallite.device.benchmark.layers.operator import Operator

WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64, 72, 80)
CONVS = [Operator("conv", 8, 8, (a,), b) for a in WIDTHS for b in WIDTHS]


def test_each_operator_is_in_one_network():
    networks = make_up_networks(CONVS)
    found = [each for network in networks for each in network]
    assert len(found) == len(CONVS) and set(found) == set(CONVS)
    assert len(networks) == 3


def test_operators_follow_each_other():
    pairs = [
        (a, b)
        for network in make_up_networks(CONVS)
        for a, b in zip(network, network[1:], strict=False)
    ]
    following = [b.channels[0] == a.out_channels for a, b in pairs]
    assert sum(following) > 0.9 * len(following)


def test_another_seed_gives_other_networks():
    assert make_up_networks(CONVS, seed=1) != make_up_networks(CONVS)
    assert make_up_networks(CONVS) == make_up_networks(CONVS)


def test_nothing_is_made_of_nothing():
    assert make_up_networks([]) == []
