"""The rows of the tables in docs/results.md: what is trained, and what is made of it.

A row is a run folder of its name. Rows of one float network copy its float stage from
the row that trained it.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

_NETWORKS = Path(__file__).parent / "networks"
# Networks at 32 pixels.
RESNET18 = ("--model=resnet18",)
MOBILENET = ("--model=mobilenet_v2", "--width=0.35")
SHUFFLENET = ("--model=shufflenet_v2", "--width=0.5")
MOBILENET_V3 = ("--model=mobilenet_v3_small_minimalistic",)
RESNET8 = ("--model=resnet8",)
# Separable blocks: at most 98,496 bytes of int8, and 12.5 M multiply-accumulates.
OURS = (f"--model={_NETWORKS / 'ours.json'}",)
# The same, 1.5 times as wide (60 M multiply-accumulates are allowed).
TEACHER = (f"--model={_NETWORKS / 'teacher.json'}", "--epochs=50")
# Taught by ResNet-18 in the first table.
STUDENT = MOBILENET
SPARSITY = 0.5
SHARES = (0.8, 0.7, 0.6)
# 0.66 is 30 % less as measured.
SHUFFLENET_SHARES = (0.8, 0.7, 0.66, 0.6)
# What `prune --method=channels` does without a limit.
DEFAULT_SHARE = 0.7
# No loss of accuracy stops a row; the table shows it.
TO_INT8 = ("quantize", "convert --max_drop=100")


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name: Of its run folder.
        table: Number of the table, 1 to 3.
        title: Its first cell.
        network: Flags of its training; it is trained unless `copies` is given.
        copies: The row whose float stage it has too.
        steps: Verbs with flags, after training.
        teacher: The row whose run teaches its training.
        baseline: The row of which its latency is a multiple.
        unslimmed: The row whose latency its own is predicted from, if it has fewer
            channels.
        share: Of the latency of its own network that it may have.
        latencies: The row whose run has the latencies of operators; they are measured
            otherwise.
    """

    name: str
    table: int
    title: str
    network: tuple[str, ...]
    copies: str = ""
    steps: tuple[str, ...] = ()
    teacher: str = ""
    baseline: str = ""
    unslimmed: str = ""
    share: float = 0.0
    latencies: str = ""

    def others(self) -> tuple[str, ...]:
        """Returns the rows that it needs or is compared with; "" for none."""
        needed = (self.copies, self.teacher, self.latencies)
        return (*needed, self.baseline, self.unslimmed)


def list_rows() -> list[Row]:
    """Returns all rows, each after those that it needs."""
    return [
        *_list_resnet18(),
        *_list_stages("mobilenet", "MobileNetV2 0.35", MOBILENET, SHARES),
        *_list_stages("shufflenet", "ShuffleNetV2 0.5", SHUFFLENET, SHUFFLENET_SHARES),
        Row(
            "mobilenet_v3",
            table=2,
            title="MobileNetV3 small minimalistic, int8",
            network=MOBILENET_V3,
            steps=TO_INT8,
            baseline="mobilenet_v3",
        ),
        *_list_small(),
    ]


def _list_resnet18() -> Iterator[Row]:
    first = "resnet18"
    common = {"table": 1, "baseline": first}
    own = {**common, "network": RESNET18, "copies": first}
    yield Row(first, title="original", network=RESNET18, **common)
    yield Row(f"{first}_quantized", title="quantized", steps=TO_INT8, **own)
    yield Row(
        f"{first}_pruned",
        title="pruned",
        steps=(f"prune --sparsity={SPARSITY}", *TO_INT8),
        **own,
    )
    yield Row(
        f"{first}_slim",
        title="channel-pruned",
        steps=("prune --method=channels", *TO_INT8),
        unslimmed=f"{first}_quantized",
        share=DEFAULT_SHARE,
        **own,
    )
    yield Row(
        f"{first}_distilled",
        title=f"distilled ({STUDENT[0].removeprefix('--model=')})",
        network=STUDENT,
        steps=TO_INT8,
        teacher=first,
        **common,
    )


def _list_stages(
    first: str, title: str, network: tuple[str, ...], shares: Sequence[float]
) -> Iterator[Row]:
    common = {"table": 2, "baseline": f"{first}_quantized", "network": network}
    own = {**common, "copies": first}
    yield Row(first, title=f"{title}, float", **common)
    yield Row(f"{first}_quantized", title=f"{title}, int8", steps=TO_INT8, **own)
    yield Row(
        f"{first}_pruned",
        title=f"{title}, {100 * SPARSITY:.0f} % zeros",
        steps=(f"prune --sparsity={SPARSITY}", *TO_INT8),
        **own,
    )
    # The one that measures the operators comes first.
    for share in sorted(shares, key=lambda x: x != DEFAULT_SHARE):
        measured = f"{first}_slim{100 * DEFAULT_SHARE:.0f}"
        yield Row(
            f"{first}_slim{100 * share:.0f}",
            title=f"{title}, {100 * share:.0f} % of the latency",
            steps=("prune --method=channels", *TO_INT8),
            unslimmed=f"{first}_quantized",
            share=share,
            latencies="" if share == DEFAULT_SHARE else measured,
            **own,
        )


def _list_small() -> Iterator[Row]:
    common = {"table": 3, "baseline": "resnet8"}
    teacher = "teacher"
    yield Row(teacher, title="the teacher, wider", network=TEACHER, **common)
    for name, title, network in (
        ("resnet8", "ResNet-8", RESNET8),
        ("ours", "separable blocks, ours", OURS),
    ):
        own = {**common, "network": network, "steps": TO_INT8}
        yield Row(name, title=title, **own)
        yield Row(f"{name}_taught", title=f"{title}, taught", teacher=teacher, **own)
