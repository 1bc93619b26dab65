"""Ghost modules: they compute half of the channels of a 1x1 convolution from the rest.

Han et al., 2020, arXiv:1911.11907, Figure 2b and section 3.1, ratio 2, kernel 3.
"""

import dataclasses

from corallite.train.framework.keras import keras
from corallite.train.models.blocks import RELU, Conventions
from corallite.train.models.channel_slice import ChannelSlice


def ghost_module(x, filters, *, name, conventions, activation=RELU):
    """Adds a 1x1 convolution to half of the channels, and 3x3 depthwise copies of them.

    Both have a batch norm and the activation. Layers: `name`_primary,
    `name`_cheap_depthwise, `name`_concat; `name`_cheap_from if `filters` is odd: there
    are half as many primary channels, rounded up, and the last one has no copy.
    """
    primary = conventions.conv_bn(
        x, -(-filters // 2), 1, activation=activation, name=f"{name}_primary"
    )
    cheap = primary
    if filters % 2:
        cheap = ChannelSlice(0, filters // 2, name=f"{name}_cheap_from")(primary)
    cheap = conventions.depthwise_bn(
        cheap, activation=activation, name=f"{name}_cheap_depthwise"
    )
    return keras.layers.Concatenate(name=f"{name}_concat")([primary, cheap])


@dataclasses.dataclass(frozen=True)
class GhostConventions(Conventions):
    """Builds Ghost modules in place of 1x1 convolutions.

    The last convolution, before the pool, stays: so it does in GhostNet.
    """

    def conv_bn(self, x, filters, kernel_size, *, name, stride=1, activation=RELU):
        """Adds what `Conventions.conv_bn` adds, or a Ghost module."""
        if kernel_size != 1 or stride != 1 or name == "last":
            return super().conv_bn(
                x, filters, kernel_size, name=name, stride=stride, activation=activation
            )
        plain = Conventions(**dataclasses.asdict(self))
        return ghost_module(
            x, filters, name=name, conventions=plain, activation=activation
        )


def with_ghosts(conventions: Conventions) -> GhostConventions:
    """Returns the same conventions, with Ghost modules for 1x1 convolutions."""
    return GhostConventions(**dataclasses.asdict(conventions))
