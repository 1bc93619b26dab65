"""Computes which layer reads which channel of ShuffleNetV2 without a shuffle.

In the published network a stage is a row of units. A unit splits its input channels
in two halves: the left half passes, the right half goes through the unit's branch,
and a channel shuffle interleaves the two:

    output[2i] = left[i]        output[2i + 1] = branch(right)[i]

Follow one channel. A branch computes it, and it gets some position in the output of
that unit. If the position is in the right half, the next unit's branch reads it. If
not, it passes and moves to twice its position. Nothing changes it until it is read, and
it is read once: by one branch, or by the layer that follows the stage.

So the shuffle is only an address. If every branch stores its channels sorted by reader,
each reader needs one contiguous slice of each earlier branch. For a stage of 4 units
whose branches have 8 channels:

    computed in    read by unit 1   unit 2   unit 3   following layer
    0 shortcut     4 channels       2        1        1
    0 branch       4                2        1        1
    1 branch                        4        2        2
    2 branch                                 4        4
    3 branch                                          8

Only the concatenations of these slices move tensors. The function is exactly the
published one: the readers of a branch have weights whose input channels are permuted
as the branch's output is. `published_channel` and `published_input` are these
permutations, for import and export of weights.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Slice:
    """Channels `start` to `stop` of the stored output of branch `branch`."""

    branch: int
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class StageRouting:
    """The readers of all channels of one stage.

    Branches are numbered in order: 0 is the shortcut branch of the first unit, 1 its
    main branch, k + 1 the branch of unit k. Readers are numbered by unit: unit 1 to the
    last, then the layer that follows the stage.

    Attributes:
        published_channel: For each branch, the published channel number at each
            stored position.
        reads: For each reader, the slices that it concatenates, oldest branch first.
        published_input: For each reader, the published channel number, counted from
            the start of what it reads, at each position of that concatenation.
    """

    published_channel: tuple[tuple[int, ...], ...]
    reads: tuple[tuple[Slice, ...], ...]
    published_input: tuple[tuple[int, ...], ...]


def route_stage(num_units: int, branch_channels: int) -> StageRouting:
    """Follows every channel of a stage to its reader.

    Args:
        num_units: Units of the stage, including the first; 1 or more.
        branch_channels: Output channels of one branch: half of the stage's.
    """
    read_lists = _published_reads(num_units, branch_channels)
    reader_of = {
        channel: reader
        for reader, channels in enumerate(read_lists)
        for channel in channels
    }
    stored = tuple(
        tuple(sorted(range(branch_channels), key=lambda c: reader_of[branch, c]))
        for branch in range(num_units + 1)
    )
    reads = tuple(
        tuple(_slices(reader, stored, reader_of)) for reader in range(num_units)
    )
    inputs = tuple(
        _published_input(slices, stored, channels)
        for slices, channels in zip(reads, read_lists, strict=True)
    )
    return StageRouting(stored, reads, inputs)


def _published_reads(num_units, branch_channels):
    """Runs the published split and interleave on labels (branch, channel).

    Returns the labels that each reader reads, in published order.
    """
    new = [[(b, c) for c in range(branch_channels)] for b in range(num_units + 1)]
    channels = _interleave(new[0], new[1])
    reads = []
    for unit in range(1, num_units):
        left, right = channels[:branch_channels], channels[branch_channels:]
        reads.append(right)
        channels = _interleave(left, new[unit + 1])
    return [*reads, channels]


def _interleave(left, right):
    return [channel for pair in zip(left, right, strict=True) for channel in pair]


def _slices(reader, stored, reader_of):
    """Yields the slice of each branch that `reader` reads, if there is one."""
    for branch, channels in enumerate(stored):
        wanted = [i for i, c in enumerate(channels) if reader_of[branch, c] == reader]
        if wanted:
            yield Slice(branch, wanted[0], wanted[-1] + 1)


def _published_input(slices, stored, published_channels):
    """Returns the published position of each channel of the concatenated slices."""
    position = {channel: i for i, channel in enumerate(published_channels)}
    return tuple(
        position[piece.branch, channel]
        for piece in slices
        for channel in stored[piece.branch][piece.start : piece.stop]
    )
