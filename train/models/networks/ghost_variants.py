"""MobileNetV2 and ShuffleNetV2 with Ghost modules in place of 1x1 convolutions.

Han et al., 2020, arXiv:1911.11907, section 3.3, plug the module into other networks;
these two are ours. The last convolution, before the pool, stays. At 224 pixels and
1,000 classes: 2.69 M parameters and 194 M multiply-accumulates (3.50 M and 301 M
without Ghost modules), and 1.93 M and 96 M (2.28 M and 145 M).
"""

from corallite.train.framework.keras import keras
from corallite.train.models import entry
from corallite.train.models.blocks import OURS
from corallite.train.models.networks import inverted_residuals
from corallite.train.models.networks.ghost_module import with_ghosts
from corallite.train.models.networks.mobilenet_v2 import (
    configure as configure_mobilenet,
)
from corallite.train.models.networks.shufflenet_v2 import (
    configure as configure_shufflenet,
)
from corallite.train.models.networks.shufflenet_v2 import shufflenet_v2


def mobilenet_v2_ghost(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.2, conventions=OURS
) -> keras.Model:
    """Builds MobileNetV2 with Ghost modules; arguments and errors are its own."""
    return inverted_residuals.build_network(
        MOBILENET_V2,
        input_shape,
        num_classes,
        width,
        config,
        dropout,
        with_ghosts(conventions),
    )


def shufflenet_v2_ghost(
    input_shape, num_classes, *, width=1.0, config=None, dropout=0.0, conventions=OURS
) -> keras.Model:
    """Builds ShuffleNetV2 with Ghost modules; arguments and errors are its own."""
    model = shufflenet_v2(
        input_shape,
        num_classes,
        width=width,
        config=config,
        dropout=dropout,
        conventions=with_ghosts(conventions),
    )
    return keras.Model(model.input, model.output, name=SHUFFLENET_V2.name)


MOBILENET_V2 = entry.NetworkEntry(mobilenet_v2_ghost, configure_mobilenet)
SHUFFLENET_V2 = entry.NetworkEntry(shufflenet_v2_ghost, configure_shufflenet)
ENTRIES = (MOBILENET_V2, SHUFFLENET_V2)
