"""A network of other widths inherits what fits of a published one's weights."""

import dataclasses

import numpy as np
import pytest

from corallite.train.models.network import Network
from corallite.train.models.networks import mobilenet_v2
from corallite.train.models.networks.inverted_residuals import Block, Config
from corallite.train.weights.inherit import inherit
from corallite.train.weights.pretrained import Pretrained

WIDTH = 0.25
SIZE = (32, 32)
NUMBERS = np.random.default_rng(0)
PUBLISHED = Network("mobilenet_v2", WIDTH, SIZE)


@pytest.fixture(scope="module")
def trained():
    """A published network whose weights are all different."""
    model = PUBLISHED.build(7)
    model.set_weights([NUMBERS.normal(size=x.shape) for x in model.get_weights()])
    return model


def make_heir(trained, config):
    donor = Pretrained(
        PUBLISHED.conventions, 7, lambda model: model.set_weights(trained.get_weights())
    )
    network = dataclasses.replace(PUBLISHED, config=config)
    model = network.build(7)
    weights = inherit(network, donor, WIDTH)
    assert not weights.is_whole
    weights.give_to(model)
    return model


def kernel(model, layer):
    return model.get_layer(layer).get_weights()[0]


def test_equal_widths_inherit_everything_but_the_head(trained):
    heir = make_heir(trained, mobilenet_v2.configure(WIDTH))
    for mine, theirs in zip(heir.layers, trained.layers, strict=True):
        is_equal = all(map(np.array_equal, mine.get_weights(), theirs.get_weights()))
        assert is_equal == (mine.name != "logits")


def test_blocks_are_paired_by_the_size_of_their_maps(trained):
    # Stage 4 shrinks the image by 8 and stage 6 by 16, as published; the stages between
    # are merged with the ones before, as in the networks of a search.
    config = Config(
        stem=4,
        stages=(
            (),
            (Block(8, 24, 2, 3),),
            (Block(8, 24, 2, 3),),
            (Block(12, 24, 2, 3), *(Block(12, 24, 1, 3) for _ in range(5))),
            (Block(16, 48, 2, 3),),
        ),
        last=24,
    )
    heir = make_heir(trained, config)
    pairs = {
        "stage2_block0": "stage2_block0",
        "stage4_block0": "stage4_block0",
        "stage4_block3": "stage4_block3",
        "stage4_block4": "stage5_block0",
        "stage5_block0": "stage6_block0",
    }
    for mine, theirs in pairs.items():
        own, other = (
            kernel(heir, f"{mine}_depthwise"),
            kernel(trained, f"{theirs}_depthwise"),
        )
        both = min(own.shape[2], other.shape[2])
        np.testing.assert_array_equal(own[:, :, :both], other[:, :, :both])


def test_channels_are_taken_from_the_first_on(trained):
    wider = mobilenet_v2.configure(WIDTH * 2)
    heir, before = make_heir(trained, wider), kernel(trained, "stem")
    inputs, outputs = before.shape[2:]
    assert heir.get_layer("stem").filters > outputs
    np.testing.assert_array_equal(kernel(heir, "stem")[:, :, :, :outputs], before)
    assert np.abs(kernel(heir, "stem")[:, :, :, outputs:]).max() < 1  # As it was.
    scale = heir.get_layer("stem_bn").get_weights()[0]
    np.testing.assert_array_equal(scale[outputs:], 1)


@pytest.mark.parametrize("side", [1, 5])
def test_a_kernel_of_another_size_shares_its_middle(side, trained):
    config = mobilenet_v2.configure(WIDTH)
    (first, *others), rest = config.stages[1], config.stages[2:]
    stage = (dataclasses.replace(first, kernel=side), *others)
    config = dataclasses.replace(config, stages=(config.stages[0], stage, *rest))
    mine = kernel(make_heir(trained, config), "stage2_block0_depthwise")
    theirs = kernel(trained, "stage2_block0_depthwise")
    if side > 3:
        np.testing.assert_array_equal(mine[1:4, 1:4], theirs)
    else:
        np.testing.assert_array_equal(mine, theirs[1:2, 1:2])
