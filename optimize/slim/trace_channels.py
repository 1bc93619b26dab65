"""Finds which channels of a network must be removed together.

The channel axis of a tensor is an array of ids. A convolution makes new ids; a
depthwise convolution and a batch norm pass them on; Add makes the ids of its inputs the
same; Concatenate joins the arrays, and a slice takes a part of one. So nothing must be
known of a network: the ids say where each channel went.

Ids that are the same are an atom: their channels stay or go together. Atoms that the
same layers use are a group, whose width can be chosen.
"""

import enum
from typing import Any, NamedTuple

import numpy as np

from corallite.device.system.errors import RequestError
from corallite.optimize.keras_graph import traverse
from corallite.train.framework.keras import keras
from corallite.train.models.channel_slice import ChannelSlice
from corallite.train.models.hard_swish import HardSwish

_LAYERS = keras.layers
# These compute each channel by itself, and have no weights.
_PASSING = (
    _LAYERS.ReLU,
    _LAYERS.Dropout,
    _LAYERS.ZeroPadding2D,
    _LAYERS.MaxPooling2D,
    _LAYERS.AveragePooling2D,
    _LAYERS.GlobalAveragePooling2D,
    _LAYERS.GlobalMaxPooling2D,
    _LAYERS.UpSampling2D,
    _LAYERS.Rescaling,
    HardSwish,
)
_JOINING = (_LAYERS.Add, _LAYERS.Multiply, _LAYERS.Average, _LAYERS.Maximum)
# Of a layer: these compute each number by itself.
_ELEMENTWISE = ("linear", "relu", "relu6", "sigmoid", "hard_sigmoid", "swish", "tanh")

Ids = np.ndarray[Any, np.dtype[np.int64]]


class Axis(enum.Enum):
    """The axis of a layer's weights whose entries are channels."""

    INPUT = "input"
    OUTPUT = "output"
    # Of a depthwise kernel or a batch norm: input and output are the same channel.
    CHANNEL = "channel"


class Use(NamedTuple):
    """The channels of an axis: entry i of it belongs to atom `atoms[i]`."""

    layer: str
    axis: Axis
    atoms: Ids


class Group(NamedTuple):
    """Atoms of which any number may stay.

    Attributes:
        name: The layer that makes their channels; the first one if several do.
        atoms: Their numbers, int `[n]`.
        uses: The layers, each with its axis, that have an entry for each atom; twice
            where they have two. No other group has the same.
    """

    name: str
    atoms: Ids
    uses: tuple[tuple[str, Axis], ...]


class Channels(NamedTuple):
    """The channels of a network.

    Attributes:
        size: Number of atoms.
        uses: In the order of the layers.
        outputs: The atoms of each layer's output, by the layer's name.
        groups: Those whose width can be chosen; atoms of the network's input and output
            are in none.
    """

    size: int
    uses: tuple[Use, ...]
    outputs: dict[str, Ids]
    groups: tuple[Group, ...]


def trace_channels(model: keras.Model) -> Channels:
    """Follows the channels of a flat functional model.

    Raises:
        RequestError: A layer is of a kind whose channels are not known; names it.
        ValueError: The model is not one flat functional graph.
    """
    traverse.check_flat(model)
    walk = _Walk()
    for layer in model.layers:
        walk.visit(layer)
    last = next(x for x in model.layers if x.output is model.output)
    walk.freeze(walk.outputs[last.name])
    return walk.finish()


class _Walk:
    """Gives ids to tensors, layer by layer."""

    def __init__(self) -> None:
        # Id 0 is frozen: what has it, or is made the same, stays.
        self._parent = [0]
        self._uses: list[Use] = []
        self.outputs: dict[str, Ids] = {}

    def visit(self, layer: keras.layers.Layer) -> None:
        """Notes the uses of a layer, and the ids of its output."""
        if isinstance(layer, _LAYERS.InputLayer):
            self.outputs[layer.name] = np.zeros(layer.output_shape[0][-1], np.int64)
            return
        inputs = [self.outputs[x.name] for x in traverse.producers(layer)]
        self.outputs[layer.name] = self._pass(layer, inputs)

    def _pass(self, layer: keras.layers.Layer, inputs: list[Ids]) -> Ids:
        first = inputs[0]
        if _makes_channels(layer):
            self._note(layer, Axis.INPUT, first)
            made = self._make(int(layer.output_shape[-1]))
            return self._note(layer, Axis.OUTPUT, made)
        if _keeps_channels(layer):
            return self._note(layer, Axis.CHANNEL, first)
        if isinstance(layer, _LAYERS.Flatten):
            return np.tile(first, layer.output_shape[-1] // len(first))
        if isinstance(layer, ChannelSlice):
            return first[layer.start : layer.stop]
        if isinstance(layer, _LAYERS.Concatenate) and _is_last_axis(layer):
            return np.concatenate(inputs)
        if isinstance(layer, _JOINING) and len({len(ids) for ids in inputs}) == 1:
            for other in inputs[1:]:
                self._join(first, other)
            return first
        if _passes(layer):
            return first
        raise RequestError(
            f"{layer.name}: channels cannot be removed from a network with a layer of "
            f"this kind ({type(layer).__name__}); prune it without --method=channels."
        )

    def freeze(self, ids: Ids) -> None:
        """Keeps these channels."""
        self._join(ids, np.zeros(len(ids), np.int64))

    def finish(self) -> Channels:
        """Numbers the atoms, and groups them."""
        roots = np.array([self._find(number) for number in range(len(self._parent))])
        numbers = np.unique(roots, return_inverse=True)[1].reshape(-1)
        uses = tuple(use._replace(atoms=numbers[use.atoms]) for use in self._uses)
        outputs = {name: numbers[ids] for name, ids in self.outputs.items()}
        groups = _group(uses, int(numbers[0]))
        return Channels(int(numbers.max()) + 1, uses, outputs, groups)

    def _make(self, count: int) -> Ids:
        begin = len(self._parent)
        self._parent += range(begin, begin + count)
        return np.arange(begin, begin + count)

    def _note(self, layer: keras.layers.Layer, axis: Axis, ids: Ids) -> Ids:
        self._uses.append(Use(layer.name, axis, ids))
        return ids

    def _join(self, ids: Ids, others: Ids) -> None:
        for one, other in zip(ids.tolist(), others.tolist(), strict=True):
            roots = self._find(one), self._find(other)
            self._parent[max(roots)] = min(roots)

    def _find(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number


def _group(uses: tuple[Use, ...], frozen: int) -> tuple[Group, ...]:
    """Groups atoms that the same axes use, each the same number of times."""
    places: dict[int, list[tuple[str, Axis]]] = {}
    for use in uses:
        for atom in use.atoms.tolist():
            places.setdefault(atom, []).append((use.layer, use.axis))
    places.pop(frozen, None)
    members: dict[tuple[tuple[str, Axis], ...], list[int]] = {}
    for atom, where in places.items():
        members.setdefault(tuple(where), []).append(atom)
    return tuple(
        Group(where[0][0], np.array(atoms), _sort(where))
        for where, atoms in members.items()
    )


def _sort(where: tuple[tuple[str, Axis], ...]) -> tuple[tuple[str, Axis], ...]:
    return tuple(sorted(where, key=lambda use: (use[0], use[1].value)))


def _makes_channels(layer: keras.layers.Layer) -> bool:
    kind = type(layer)
    is_plain = kind is _LAYERS.Dense or (kind is _LAYERS.Conv2D and layer.groups == 1)
    # The softmax of the last layer is allowed: its channels are frozen.
    return is_plain and (_is_elementwise(layer) or not traverse.consumers(layer))


def _keeps_channels(layer: keras.layers.Layer) -> bool:
    kind = type(layer)
    if kind is _LAYERS.DepthwiseConv2D:
        return layer.depth_multiplier == 1 and _is_elementwise(layer)
    return kind is _LAYERS.BatchNormalization


def _passes(layer: keras.layers.Layer) -> bool:
    kind = type(layer)
    if kind in (_LAYERS.Activation, _LAYERS.Softmax):
        # Softmax mixes channels; behind it may be nothing.
        is_last = not traverse.consumers(layer)
        return is_last or (kind is _LAYERS.Activation and _is_elementwise(layer))
    return kind in _PASSING


def _is_elementwise(layer: keras.layers.Layer) -> bool:
    return getattr(layer.activation, "__name__", "") in _ELEMENTWISE


def _is_last_axis(layer: keras.layers.Layer) -> bool:
    return layer.axis in (-1, len(layer.output_shape) - 1)
