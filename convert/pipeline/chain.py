"""Chooses the steps of a pipeline by the number of photos."""

import dataclasses

from corallite.optimize.prune import magnitude
from corallite.optimize.quantize import qat_stage
from corallite.train.runs.run import Run

RECIPES = ("auto", "full")
# Fewer take too few steps to recover from pruning, which makes no file faster, and
# their int8 file rarely needs quantization-aware training.
FEW_PHOTOS = 2_000
_SPARSITY = 0.5


@dataclasses.dataclass(frozen=True)
class Chain:
    """What a pipeline does between training and evaluation.

    Attributes:
        sparsity: Zero fraction of the kernels; 0 skips pruning.
        method: How to quantize, one of `plan.METHODS`.
        reason: Why these steps, as the end of a sentence.
    """

    sparsity: float
    method: str
    reason: str

    def explain(self) -> str:
        """Returns one sentence for the log."""
        steps = ["train"]
        if self.sparsity:
            steps.append(f"prune to {100 * self.sparsity:g} %")
        if self.method == qat_stage.KIND.method:
            steps.append("train quantization-aware")
        steps.append("convert to int8")
        if self.method == "auto":
            steps[-1] += ", quantization-aware only if that loses too much accuracy"
        return f"Steps: {', '.join(steps)}; {self.reason}."


def choose_chain(
    images: int,
    run: Run,
    recipe: str = "auto",
    sparsity: float | None = None,
    method: str | None = None,
) -> Chain:
    """Returns the steps for a number of photos.

    Args:
        images: All photos of the data set.
        run: If it was pruned already, it keeps its steps.
        recipe: "full" is always the whole chain; "auto" leaves pruning out and
            quantizes after training first if there are fewer than 2,000 photos.
        sparsity: Overrides the choice; None for the choice.
        method: The same for the method.
    """
    is_few = images < FEW_PHOTOS
    is_full = recipe == "full" or not is_few
    reason = f"{images:,} photos are {'few' if is_few else 'enough for all steps'}"
    if recipe == "full":
        reason = "--recipe=full asks for all steps"
    elif is_few and run.stage(magnitude.KIND.name).is_complete():
        is_full, reason = True, "the run was pruned before"
    if sparsity is not None or method is not None:
        reason += ", and flags override the choice"
    if sparsity is None:
        sparsity = _SPARSITY if is_full else 0.0
    return Chain(
        sparsity, method or (qat_stage.KIND.method if is_full else "auto"), reason
    )
