"""One range for all tensors that meet in concatenations.

An int8 concatenation copies bytes, which is correct only if all its inputs have one
scale. Where the converter finds several, it requantizes each input or clips it. The
tensors of a ShuffleNetV2 stage meet in pairs in one unit or another, so all of them
need the same range.
"""

from corallite.device.system.errors import RequestError, require_choice
from corallite.optimize.keras_graph import traverse
from corallite.optimize.keras_graph.quantizers import FixedRange
from corallite.optimize.keras_graph.shared_range import SharedRange
from corallite.optimize.quantize.specs import makes_values, moves_values
from corallite.train.framework.keras import keras

# The range of tensors that meet in concatenations: 0 to 6, as ReLU6 gives it, or the
# extremes of the batches.
SHARED_RANGES = ("fixed", "calibrated")
_RELU6_RANGE = FixedRange(0.0, 6.0)


def share_ranges(model: keras.Model, kind: str | None) -> dict[str, tuple]:
    """Returns the range of each layer whose output is concatenated with others.

    Args:
        model: Folded (see `add_quantizers.fold`).
        kind: One of SHARED_RANGES; None for fixed where only outputs of ReLU6 meet,
            calibrated elsewhere.

    Returns:
        By layer name a `FixedRange` and None, or a `SharedRange` and the layer's
        number in it.

    Raises:
        RequestError: The kind is unknown, or does not fit one of the layers.
    """
    if kind is not None:
        require_choice("shared_range", kind, SHARED_RANGES)
    shared: dict[str, tuple] = {}
    for number, group in enumerate(find_joined(model)):
        _check_range(group, kind)
        if kind == "fixed" or (kind is None and all(map(_is_relu6, group))):
            shared.update({layer.name: (_RELU6_RANGE, None) for layer in group})
            continue
        shared_range = SharedRange(len(group), name=f"shared_range{number}")
        for member, layer in enumerate(group):
            shared[layer.name] = shared_range, member
    return shared


def find_joined(model: keras.Model) -> list[list[keras.layers.Layer]]:
    """Returns groups of layers whose outputs meet in concatenations.

    Two layers are in one group if a concatenation joins them, or if both are in one
    group with a third layer. The search passes through layers that only move values.
    """
    groups: list[dict[str, keras.layers.Layer]] = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Concatenate):
            joined = {source.name: source for source in _sources(layer)}
            apart = [group for group in groups if not group.keys() & joined.keys()]
            for group in groups:
                if group not in apart:
                    joined = {**group, **joined}
            groups = [*apart, joined]
    return [list(group.values()) for group in groups]


def _sources(layer):
    for source in traverse.producers(layer):
        if moves_values(source):
            yield from _sources(source)
        else:
            yield source


def _check_range(group, kind):
    """Raises `RequestError` if a range of this kind does not fit all of `group`."""
    needed, fits = "a convolution, Dense, Add or ReLU", makes_values
    if kind == "fixed":
        needed, fits = "ReLU(6.0)", _is_relu6
    for layer in group:
        if not fits(layer):
            raise RequestError(
                f"Layer {layer.name!r} is concatenated with others, and a "
                f"{kind or 'calibrated'} range takes only outputs of {needed}; add "
                "one behind the layer, or choose another range."
            )


def _is_relu6(layer):
    is_relu = isinstance(layer, keras.layers.ReLU) and layer.negative_slope == 0
    return is_relu and layer.max_value == 6
