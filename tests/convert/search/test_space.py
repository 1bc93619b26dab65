"""The operators that a search prices are those of the network that it builds."""

import random
from collections import Counter

import pytest

from corallite.convert.search.space import inverted, residual, shuffled
from corallite.convert.search.space.shape import RandomChoices, round_channels
from corallite.optimize.slim.layer_operators import list_layer_operators
from corallite.optimize.slim.trace_channels import trace_channels
from corallite.train.models.registry import NETWORKS

FAMILIES = (residual.FAMILY, inverted.FAMILY, shuffled.FAMILY)


def built_operators(model):
    layers = list_layer_operators(model, trace_channels(model))
    return [layer.at_full_width for layer in layers]


# Small images are shrunk less, and the stems differ.
@pytest.mark.parametrize("side", [32, 64, 128])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda x: x.name)
def test_the_listed_operators_are_those_of_the_built_network(family, side):
    shape = family.suggest(RandomChoices(random.Random(side)))
    config = family.configure(shape, 12.0, side)
    model = NETWORKS[family.model_of(side)].build((side, side, 3), 5, config=config)
    listed = family.list_operators(config, side, 5)
    assert Counter(listed) == Counter(built_operators(model))


def test_the_published_networks_are_listed_as_well():
    for family, width in ((residual, 1.0), (inverted, 0.35), (shuffled, 0.5)):
        entry = NETWORKS[family.FAMILY.model_of(32)]
        config = entry.configure(width)
        model = entry.build((32, 32, 3), 10, width=width)
        listed = family.list_operators(config, 32, 10)
        assert Counter(listed) == Counter(built_operators(model))


def test_channels_are_never_rounded_to_none():
    assert [round_channels(x) for x in (0.1, 5, 17, 70, 101)] == [4, 4, 16, 72, 104]
