"""Chooses the steps of a pipeline by the number of photos."""

import dataclasses

from corallite.device.system.errors import RequestError
from corallite.optimize.prune import magnitude
from corallite.optimize.quantize import qat_stage
from corallite.optimize.slim import slim_stage
from corallite.train.runs.run import Run

RECIPES = ("auto", "full", "small")
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
        slims: Whether channels are removed.
    """

    sparsity: float
    method: str
    reason: str
    slims: bool = False

    def explain(self) -> str:
        """Returns one sentence for the log."""
        steps = ["train", *(["remove channels"] if self.slims else [])]
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
        run: If it was pruned or has fewer channels already, it keeps its steps.
        recipe: "full" is always the whole chain; "small" removes channels in place of
            zeroing weights; "auto" leaves pruning out and quantizes after training
            first if there are fewer than 2,000 photos.
        sparsity: Overrides the choice; None for the choice.
        method: The same for the method.

    Raises:
        RequestError: Weights are to be zeroed where channels are removed.
    """
    steps, reason = _choose_steps(images, run, recipe)
    if steps == "small" and sparsity:
        raise RequestError(f"--sparsity needs --recipe=full, but {reason}; omit it.")
    if sparsity is not None or method is not None:
        reason += ", and flags override the choice"
    if sparsity is None:
        sparsity = _SPARSITY if steps == "full" else 0.0
    method = method or (qat_stage.KIND.method if steps else "auto")
    return Chain(sparsity, method, reason, slims=steps == "small")


def _choose_steps(images: int, run: Run, recipe: str) -> tuple[str, str]:
    """Returns "full", "small", or "" for the fewest steps, and the reason."""
    if recipe == "full":
        return recipe, "--recipe=full asks for all steps"
    if recipe == "small":
        return recipe, "--recipe=small asks for fewer channels"
    if run.stage(slim_stage.KIND.name).is_complete():
        return "small", "channels of the run were removed before"
    if images >= FEW_PHOTOS:
        return "full", f"{images:,} photos are enough for all steps"
    if run.stage(magnitude.KIND.name).is_complete():
        return "full", "the run was pruned before"
    return "", f"{images:,} photos are few"
