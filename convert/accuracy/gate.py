"""The accuracy gate: what a file may lose, and what it says of one that lost more."""

from corallite.convert.accuracy.comparison import MAX_DROP, AccuracyComparison, Verdict
from corallite.convert.accuracy.paired import count_to_tell
from corallite.train.runs.kinds import KINDS, StageKind

_PER_CHANNEL = (
    "Use per-channel scales, if the device supports them: --granularity=channel of "
    "`corallite quantize` and `corallite convert`."
)
_ROUNDING_LOST = (
    "The file computes the rounding of its Keras graph, so this step should cost "
    "almost nothing; check it on more validation images."
)


class AccuracyLostError(Exception):
    """A file lost more accuracy than allowed or is useless: exit status 1.

    Attributes:
        comparison: The measured comparison.
    """

    def __init__(self, comparison: AccuracyComparison):
        super().__init__(explain(comparison))
        self.comparison = comparison


def check(comparison: AccuracyComparison, *, has_next: bool = False) -> None:
    """Raises `AccuracyLostError` if the model lost more than allowed.

    With `has_next`, another method may lose less: then a measured loss above the
    limit is enough, without proof.
    """
    if not (comparison.is_within_limit if has_next else comparison.passed):
        raise AccuracyLostError(comparison)


def list_findings(comparison: AccuracyComparison) -> list[str]:
    """Returns what to say of a comparison: the loss, and why it is not proven.

    A loss that may be chance is named only if it is above the limit.
    """
    loss = explain(comparison) or _explain_significant_loss(comparison)
    return [text for text in (loss, explain_doubt(comparison)) if text]


def explain(comparison: AccuracyComparison) -> str:
    """Returns why the model is not good, in which step and layers, and what to do.

    "" if it is useful and its loss, as measured, is within the limit.
    """
    fault = _explain_fault(comparison)
    if comparison.overall.drop_points <= comparison.max_drop:
        if not fault:
            return ""
        return f"{fault} {_suggest(comparison, comparison.find_useless()[0])}"
    worst = ", ".join(comparison.worst_layers()) or "none measured"
    changed = ", ".join(comparison.changed_layers())
    since = f"Changed most by later training: {changed}." if changed else ""
    step = comparison.lossy_step() or comparison.overall
    parts = (
        f"{comparison.overall.to_name} ({comparison.method}) is "
        f"{comparison.overall.drop_points:.2f} percentage points below "
        f"{comparison.overall.from_name} on the validation split, more than "
        f"--max_drop={comparison.max_drop:g}.",
        fault,
        _explain_loss(comparison),
        f"Worst layers: {worst}.",
        since,
        _suggest(comparison, step.to_name),
    )
    return " ".join(filter(None, parts))


def explain_doubt(comparison: AccuracyComparison) -> str:
    """Returns why the loss is not proven, and how many images would tell.

    Also that a detector finds nothing, so that there is nothing to lose. "" if
    the loss is proven.
    """
    if comparison.finds_nothing:
        return (
            f"{comparison.overall.from_name} and {comparison.overall.to_name} find no "
            f"box of the {comparison.images} validation images, so nothing can be "
            "lost; check the boxes in the report, or train for more epochs."
        )
    if comparison.verdict is not Verdict.NOT_PROVEN:
        return ""
    if comparison.is_trained_on:
        return (
            f"Not proven: the {comparison.images} validation images were trained on "
            "too, as there are few; more photos would tell."
        )
    least, most = comparison.overall.drop_interval
    told = (
        f"Not proven: with {comparison.images} images, the loss may be {least:.2f} to "
        f"{most:.2f} percentage points"
    )
    gained, lost = comparison.overall.gained, comparison.overall.lost
    if gained is None or lost is None:
        return f"{told}; more validation images would tell."
    count = count_to_tell(gained, lost, comparison.images, -comparison.max_drop / 100)
    if count is None:
        return f"{told}, and the measured loss is too close to the limit."
    return f"{told}; about {count} validation images would tell."


def _explain_loss(comparison: AccuracyComparison) -> str:
    """Returns in one sentence which step lost most; "" if none lost."""
    step = comparison.lossy_step()
    if step is None:
        return ""
    low, high = (100 * end for end in step.interval)
    doubt = (
        ""
        if step.is_significant
        else f", which may be chance with {comparison.images} images"
    )
    return (
        f"The largest loss is from {step.from_name} to {step.to_name}: "
        f"{step.drop_points:.2f} percentage points (95 %: {low:+.2f} to "
        f"{high:+.2f}){doubt}."
    )


def _explain_significant_loss(comparison: AccuracyComparison) -> str:
    """Returns in one sentence which step lost most; "" if that may be chance."""
    step = comparison.lossy_step()
    return _explain_loss(comparison) if step and step.is_significant else ""


def _explain_fault(comparison: AccuracyComparison) -> str:
    """Returns why the last model is useless; "" if it is useful."""
    useless = comparison.find_useless()
    if not useless:
        return ""
    summary = comparison.predictions[useless[-1]]
    fault = summary.explain_fault(useless[-1], comparison.part)
    others = len(useless) > 1
    return f"{fault} {useless[0]} is no better." if others else fault


def _suggest(comparison: AccuracyComparison, name: str) -> str:
    """Returns what to do about a model of the chain that lost accuracy."""
    made = name
    if name == comparison.overall.to_name:
        if comparison.steps[-1].from_name == comparison.method:
            return _ROUNDING_LOST
        made = comparison.method
    is_quantized = made in MAX_DROP
    kind = KINDS.get("int8" if is_quantized and made not in KINDS else made)
    suggestion = kind.suggestion if kind else StageKind.suggestion
    if is_quantized and comparison.granularity == "tensor":
        return f"{_PER_CHANNEL} {suggestion}"
    return suggestion
