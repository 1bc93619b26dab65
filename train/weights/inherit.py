"""Gives a network what fits of a published one's weights.

A network of other depths and widths, as `corallite search` makes, consists of the same
blocks. With a few hundred photos, parts of trained kernels are a better beginning than
random ones (docs/search.md).
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np

from corallite.train.framework.keras import keras
from corallite.train.models.network import Network
from corallite.train.models.registry import NETWORKS
from corallite.train.weights.pretrained import Pretrained

# The name of a block, see `inverted_residuals.list_blocks`, and its stride.
Block = tuple[str, int]
# Rows, columns, input and output channels.
_KERNEL_AXES = 4
_LAYER_OF_BLOCK = re.compile(r"(stage\d+_block\d+)_(.+)")


def inherit(network: Network, donor: Pretrained, width: float = 1.0) -> Pretrained:
    """Returns those of a published network's weights that fit a network of other sizes.

    A block takes those of the donor's block at the same place, counted among the blocks
    whose maps have the same size. Of a layer with other sizes, it takes the first
    channels, and the middle of a larger kernel. The head keeps its weights.

    Args:
        network: The network, with a configuration. Its entry has `list_strides`.
        donor: Weights of the published network.
        width: The width of that.
    """
    entry = NETWORKS[network.model]
    source = Network(network.model, width, network.size_hw, donor.conventions)

    def give_to(model: keras.Model) -> None:
        trained = source.build(max(2, donor.num_classes or 0))
        donor.give_to(trained)
        own, theirs = (
            list(entry.list_strides(x))
            for x in (network.config, entry.configure(width))
        )
        _copy_weights(model, trained, dict(_pair(own, theirs)))

    return Pretrained(network.conventions, None, give_to, is_whole=False)


def _copy_weights(
    model: keras.Model, trained: keras.Model, pairs: dict[str, str]
) -> None:
    weights = {layer.name: layer.get_weights() for layer in trained.layers}
    for layer in model.layers:
        theirs = weights.get(_find_name(layer.name, pairs), [])
        if theirs and not isinstance(layer, keras.layers.Dense):
            mine = layer.get_weights()
            for target, source in zip(mine, theirs, strict=True):
                _copy(target, source)
            layer.set_weights(mine)


def _pair(
    blocks: Iterable[Block], donor_blocks: Iterable[Block]
) -> Iterator[tuple[str, str]]:
    """Yields the names of each two blocks that are at the same place."""
    theirs = _group(donor_blocks)
    for shrinkage, names in _group(blocks).items():
        yield from zip(names, theirs.get(shrinkage, []), strict=False)


def _group(blocks: Iterable[Block]) -> dict[int, list[str]]:
    """Returns the names of blocks by how many times smaller their maps are."""
    found: dict[int, list[str]] = {}
    shrinkage = 1
    for name, stride in blocks:
        shrinkage *= stride
        found.setdefault(shrinkage, []).append(name)
    return found


def _find_name(layer: str, pairs: dict[str, str]) -> str:
    """Returns the donor's name of a layer; "" if the donor has no such block."""
    match = _LAYER_OF_BLOCK.fullmatch(layer)
    if match is None:
        return layer
    block, part = match.groups()
    return f"{pairs[block]}_{part}" if block in pairs else ""


def _copy(target: np.ndarray, source: np.ndarray) -> None:
    """Copies what fits of an array into another."""
    target[_cut(target.shape, source.shape)] = source[_cut(source.shape, target.shape)]


def _cut(shape: Iterable[int], other: Iterable[int]) -> tuple[slice, ...]:
    """Returns the part of an array that is in one of another shape too."""
    sizes = [(size, min(size, most)) for size, most in zip(shape, other, strict=True)]
    # Of a kernel's rows and columns, the middle.
    spatial = 2 if len(sizes) == _KERNEL_AXES else 0
    middle = [slice((a - b) // 2, (a + b) // 2) for a, b in sizes[:spatial]]
    return (*middle, *(slice(b) for _, b in sizes[spatial:]))
