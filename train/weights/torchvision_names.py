"""Which tensor of a published PyTorch checkpoint belongs to which layer here.

torchvision's names follow its modules: `stage2.1.branch2.5` is the sixth module of the
main branch of the second unit of stage 2. ShuffleNetV2's channels are in another order
here (see `channel_routing`), so each convolution also says which published channel is
read and put out at each of its positions.
"""

import dataclasses
from collections.abc import Iterator

from corallite.train.models import efficientnet_lite, mobilenet_v2
from corallite.train.models.channel_routing import StageRouting, route_stage
from corallite.train.models.shufflenet_v2 import STAGE_UNITS, channels_of

Order = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class PublishedLayer:
    """One convolution and its batch norm, here and there.

    Attributes:
        layer: Our name; its batch norm's is the same with `_bn`.
        convolution: The published name of the convolution.
        norm: The published name of the batch norm.
        inputs: The published input channel at each of ours; None for the same order.
        outputs: The published output channel at each of ours; None for the same order.
    """

    layer: str
    convolution: str
    norm: str
    inputs: Order | None = None
    outputs: Order | None = None


def shufflenet_v2_layers(width: float) -> Iterator[PublishedLayer]:
    """Yields every convolution of ShuffleNetV2 (torchvision/models/shufflenetv2.py)."""
    yield PublishedLayer("stem", "conv1.0", "conv1.1")
    order = None
    for number, (units, channels) in enumerate(
        zip(STAGE_UNITS, channels_of(width), strict=False), start=2
    ):
        routing = route_stage(units, channels // 2)
        yield from _opening_unit(f"stage{number}", order, routing)
        for unit in range(1, units):
            yield from _branch(
                f"stage{number}",
                unit,
                routing.published_input[unit - 1],
                routing.published_channel[unit + 1],
            )
        order = routing.published_input[-1]
    yield PublishedLayer("last", "conv5.0", "conv5.1", inputs=order)


def _opening_unit(
    stage: str, order: Order | None, routing: StageRouting
) -> Iterator[PublishedLayer]:
    ours, theirs = f"{stage}_unit0_shortcut", f"{stage}.0.branch1"
    # A depthwise convolution puts out the channels that it reads.
    yield PublishedLayer(
        f"{ours}_depthwise", f"{theirs}.0", f"{theirs}.1", outputs=order
    )
    shortcut, main = routing.published_channel[:2]
    yield PublishedLayer(
        f"{ours}_out", f"{theirs}.2", f"{theirs}.3", inputs=order, outputs=shortcut
    )
    yield from _branch(stage, 0, order, main)


def _branch(
    stage: str, unit: int, inputs: Order | None, outputs: Order | None
) -> Iterator[PublishedLayer]:
    ours, theirs = f"{stage}_unit{unit}_branch", f"{stage}.{unit}.branch2"
    yield PublishedLayer(f"{ours}_in", f"{theirs}.0", f"{theirs}.1", inputs=inputs)
    yield PublishedLayer(f"{ours}_depthwise", f"{theirs}.3", f"{theirs}.4")
    yield PublishedLayer(f"{ours}_out", f"{theirs}.5", f"{theirs}.6", outputs=outputs)


def mobilenet_v2_layers() -> Iterator[PublishedLayer]:
    """Yields every convolution of MobileNetV2 (torchvision/models/mobilenetv2.py)."""
    yield PublishedLayer("stem", "features.0.0", "features.0.1")
    number = 0
    for stage, (expansion, _, repeats, _) in enumerate(mobilenet_v2.STAGES, start=1):
        for block in range(repeats):
            number += 1
            ours, theirs = f"stage{stage}_block{block}", f"features.{number}.conv"
            parts = ["expand", "depthwise"] if expansion > 1 else ["depthwise"]
            for index, part in enumerate(parts):
                names = f"{theirs}.{index}.0", f"{theirs}.{index}.1"
                yield PublishedLayer(f"{ours}_{part}", *names)
            last = len(parts)
            names = f"{theirs}.{last}", f"{theirs}.{last + 1}"
            yield PublishedLayer(f"{ours}_project", *names)
    yield PublishedLayer("last", f"features.{number + 1}.0", f"features.{number + 1}.1")


def efficientnet_lite0_layers() -> Iterator[PublishedLayer]:
    """Yields every convolution of EfficientNet-Lite0, efficientnet-lite-pytorch 0.1."""
    yield PublishedLayer("stem", "_conv_stem", "_bn0")
    number = 0
    for stage, (expansion, _, repeats, *_) in enumerate(efficientnet_lite.STAGES, 1):
        for block in range(repeats):
            ours, theirs = f"stage{stage}_block{block}", f"_blocks.{number}"
            parts = ("expand", "depthwise", "project")
            for norm, part in enumerate(parts):
                if part != "expand" or expansion > 1:
                    names = f"{theirs}._{part}_conv", f"{theirs}._bn{norm}"
                    yield PublishedLayer(f"{ours}_{part}", *names)
            number += 1
    yield PublishedLayer("last", "_conv_head", "_bn1")
