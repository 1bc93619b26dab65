"""Networks that are made up from operators."""

from corallite.device.benchmark.layers.made_up import make_up_networks
from corallite.device.benchmark.layers.operator import Operator

WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64, 72, 80)
CONVS = [Operator("conv", 8, 8, (a,), b) for a in WIDTHS for b in WIDTHS]


def test_each_operator_is_in_a_network():
    found = make_up_networks(CONVS * 3)
    assert {each for network in found for each in network} == set(CONVS)
    # Few are there twice to get to others, and many to fill the last network.
    assert [len(network) for network in found] == [64, 64]


def test_networks_of_large_maps_are_short():
    large = [Operator("conv", 512, 512, (8,), n) for n in range(16, 32)]
    found = make_up_networks(large)
    assert {each for network in found for each in network} == set(large)
    assert max(map(len, found)) == 4


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


def test_operators_that_do_not_follow_each_other_are_in_a_network():
    lonely = [Operator("conv", 8, 8, (8,), 9), Operator("conv", 5, 5, (8,), 9)]
    (network,) = make_up_networks(lonely)
    assert set(network) == set(lonely) and len(network) == 64


def test_nothing_is_made_of_nothing():
    assert make_up_networks([]) == []
