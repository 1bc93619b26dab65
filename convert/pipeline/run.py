"""The whole road in one call: train, prune, train quantized, convert, evaluate."""

import dataclasses
from pathlib import Path

from corallite.convert.evaluate.stages import StageResult, evaluate_run
from corallite.convert.export.int8 import convert
from corallite.optimize.prune import magnitude
from corallite.optimize.quantize import qat_stage
from corallite.train.runs.run import Stage
from corallite.train.training import float_stage
from corallite.train.training.recipe import Recipe, Transfer


@dataclasses.dataclass(frozen=True)
class Recipes:
    """How each of the three trainings of a pipeline is done."""

    train: Recipe = float_stage.DEFAULT_RECIPE
    prune: Recipe = magnitude.DEFAULT_RECIPE
    quantize: Recipe = qat_stage.DEFAULT_RECIPE


def run_pipeline(
    data_dir: Path,
    run_dir: Path,
    network: float_stage.Network,
    recipes: Recipes,
    *,
    sparsity: float,
    transfer: Transfer | None = None,
    fit_policy: str = "crop",
    method: str = "qat",
    granularity: str = "channel",
    max_drop: float | None = None,
    overwrite: bool = False,
) -> list[StageResult]:
    """Takes every step that is not done yet; returns the test results of all stages.

    Args:
        data_dir: Class folders.
        run_dir: Holds what is made, and what was made before.
        network: What to train.
        recipes: How.
        sparsity: Zero fraction of the kernels, 0 to 1; 0 leaves pruning out.
        transfer: Weights to begin with; None for random ones.
        fit_policy: How an image is brought to the network's proportions.
        method: How int8 is come by, one of `int8_source.METHODS`; only "qat" and, if
            it comes to that, "auto" train quantization-aware.
        granularity: Scales of a convolution, "channel" or "tensor".
        max_drop: Points of top-1 that int8 may be below float on the validation part;
            None for the method's own limit.
        overwrite: Make stages again that were made with other settings.

    Raises:
        RequestError: A step cannot be taken; those before it stay done.
        AccuracyLostError: int8 lost more than it may; all before it is done.
        KeyboardInterrupt: Asked to stop; the same call goes on from there.
    """
    if sparsity:  # Before a training of hours.
        magnitude.check_sparsity(sparsity)
        magnitude.check_recipe(recipes.prune)
    float_stage.train(
        data_dir,
        run_dir,
        network,
        recipes.train,
        transfer=transfer,
        fit_policy=fit_policy,
        overwrite=overwrite,
    )
    if sparsity:
        magnitude.prune(run_dir, sparsity, recipes.prune, overwrite=overwrite)
    else:
        _leave_pruning_out(run_dir, overwrite)
    if method == "qat":
        qat_stage.train_quantized(
            run_dir, recipes.quantize, granularity=granularity, overwrite=overwrite
        )
    convert(
        run_dir,
        method=method,
        granularity=granularity,
        max_drop=max_drop,
        recipe=recipes.quantize,
        overwrite=overwrite,
    )
    return evaluate_run(run_dir)


def _leave_pruning_out(run_dir: Path, overwrite: bool) -> None:
    """Makes sure that no pruned stage of before is taken for this run's."""
    stage = Stage(run_dir, "pruned")
    if not overwrite:
        stage.refuse_other_settings({"sparsity": 0})
    stage.discard()
