"""Each reader gets the channels that it would have after the shuffle."""

import numpy as np
import pytest

from corallite.train.models.networks.channel_routing import Slice, route_stage

# Units of a stage, channels of a branch: the published networks' and odd ones.
STAGES = [
    (1, 8),
    (2, 2),
    (4, 8),
    (4, 24),
    (4, 29),
    (8, 48),
    (8, 58),
    (8, 7),
    (4, 244),
    (12, 10),
]


def shuffle(channels):
    """The published channel shuffle with two groups, on labels [channels, 2]."""
    groups = channels.reshape(1, 1, 1, 2, -1, 2)
    return groups.transpose(0, 1, 2, 4, 3, 5).reshape(-1, 2)


def published_reads(num_units, branch_channels):
    """Labels (branch, channel) that the published network's readers see, in order."""
    newborn = [
        np.stack([np.full(branch_channels, branch), np.arange(branch_channels)], 1)
        for branch in range(num_units + 1)
    ]
    channels = shuffle(np.concatenate(newborn[:2]))
    reads = []
    for unit in range(1, num_units):
        left, right = np.split(channels, 2)
        reads.append(right)
        channels = shuffle(np.concatenate([left, newborn[unit + 1]]))
    return [*reads, channels]


def routed_reads(routing):
    """Labels that the routing's readers see: slices of stored branches, joined."""
    stored = [
        np.stack([np.full(len(channels), branch), channels], 1)
        for branch, channels in enumerate(routing.published_channel)
    ]
    return [
        np.concatenate([stored[s.branch][s.start : s.stop] for s in slices])
        for slices in routing.reads
    ]


@pytest.mark.parametrize(("num_units", "branch_channels"), STAGES)
def test_readers_see_the_published_channels(num_units, branch_channels):
    routing = route_stage(num_units, branch_channels)
    published = published_reads(num_units, branch_channels)
    routed = routed_reads(routing)
    assert len(routed) == len(published) == num_units
    for mine, theirs, positions in zip(
        routed, published, routing.published_input, strict=True
    ):
        np.testing.assert_array_equal(mine, theirs[list(positions)])


@pytest.mark.parametrize(("num_units", "branch_channels"), STAGES)
def test_every_channel_is_stored_and_read_once(num_units, branch_channels):
    routing = route_stage(num_units, branch_channels)
    for channels in routing.published_channel:
        assert sorted(channels) == list(range(branch_channels))
    read = [tuple(label) for reads in routed_reads(routing) for label in reads.tolist()]
    assert len(set(read)) == len(read) == (num_units + 1) * branch_channels


@pytest.mark.parametrize(("num_units", "branch_channels"), STAGES)
def test_a_unit_reads_half_the_channels_and_the_end_all(num_units, branch_channels):
    *units, end = routed_reads(route_stage(num_units, branch_channels))
    assert [len(reads) for reads in units] == [branch_channels] * (num_units - 1)
    assert len(end) == 2 * branch_channels


def test_four_units_of_eight_channels_are_as_in_the_table():
    # The table of the module's docstring, by row: channels for each reader.
    table = [[4, 2, 1, 1], [4, 2, 1, 1], [0, 4, 2, 2], [0, 0, 4, 4], [0, 0, 0, 8]]
    routing = route_stage(4, 8)
    widths = np.zeros((5, 4), int)
    for reader, slices in enumerate(routing.reads):
        for piece in slices:
            widths[piece.branch, reader] = piece.stop - piece.start
    assert widths.tolist() == table
    assert routing.reads[0] == (Slice(0, 0, 4), Slice(1, 0, 4))


def test_slices_come_oldest_branch_first():
    for slices in route_stage(8, 58).reads:
        branches = [piece.branch for piece in slices]
        assert branches == sorted(set(branches))
