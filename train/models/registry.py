"""The networks by name."""

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras
from corallite.train.models.blocks import OURS, Conventions, check_arguments
from corallite.train.models.efficientnet_lite import efficientnet_lite0
from corallite.train.models.mobilenet_v2 import mobilenet_v2
from corallite.train.models.shufflenet_v2 import shufflenet_v2

BUILDERS = {
    "efficientnet_lite0": efficientnet_lite0,
    "mobilenet_v2": mobilenet_v2,
    "shufflenet_v2": shufflenet_v2,
}


def build(
    name: str,
    input_shape,
    num_classes: int,
    *,
    width: float,
    conventions: Conventions = OURS,
) -> keras.Model:
    """Builds the network `name`; its arguments are those of the builder.

    Raises:
        RequestError: No network has this name, or an argument is out of range.
    """
    check(name, input_shape, num_classes, width=width)
    return BUILDERS[name](
        input_shape, num_classes, width=width, conventions=conventions
    )


def check(name: str, input_shape, num_classes: int, *, width: float) -> None:
    """Raises the errors of `build` without the seconds that building takes."""
    if name not in BUILDERS:
        raise RequestError(
            f"Expected `model` to be one of {', '.join(BUILDERS)}, got {name!r}."
        )
    try:
        check_arguments(input_shape, num_classes, width)
    except ValueError as error:
        raise RequestError(str(error)) from error
