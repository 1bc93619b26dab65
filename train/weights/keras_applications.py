"""Which layer of keras.applications' MobileNetV2 is which of ours."""

from collections.abc import Iterator

from corallite.train.models.mobilenet_v2 import STAGES

# The dense layer, in files with a top.
HEAD = "predictions"


def mobilenet_v2_names() -> dict[str, str]:
    """Returns their name of each layer by ours, without the dense one."""
    return dict(_names())


def _names() -> Iterator[tuple[str, str]]:
    yield from (("stem", "Conv1"), ("stem_bn", "bn_Conv1"))
    number = 0
    for stage, (expansion, _, repeats, _) in enumerate(STAGES, start=1):
        for block in range(repeats):
            ours = f"stage{stage}_block{block}"
            theirs = f"block_{number}" if number else "expanded_conv"
            parts = ("expand", "depthwise", "project")
            for part in parts if expansion > 1 else parts[1:]:
                yield f"{ours}_{part}", f"{theirs}_{part}"
                yield f"{ours}_{part}_bn", f"{theirs}_{part}_BN"
            number += 1
    yield from (("last", "Conv_1"), ("last_bn", "Conv_1_bn"))
