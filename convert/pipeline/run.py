"""The whole pipeline: train, prune, train quantization-aware, convert, evaluate."""

import dataclasses
from pathlib import Path
from typing import Any

from absl import logging

from corallite.convert.evaluate.boxes.stages import evaluate_boxes
from corallite.convert.evaluate.stages import evaluate_run
from corallite.convert.export.convert import convert
from corallite.convert.export.plan import DEFAULT, Request
from corallite.convert.pipeline.chain import Chain, choose_chain
from corallite.device.system.errors import RequestError
from corallite.optimize.prune import magnitude
from corallite.optimize.quantize import qat_stage
from corallite.optimize.slim import slim_stage
from corallite.optimize.slim.budget import NO_BUDGET, Budget
from corallite.optimize.slim.latencies import open_table
from corallite.train.data.load import Counts, ImageData, count_images
from corallite.train.data.split import read_split
from corallite.train.models.network import Network
from corallite.train.runs.kinds import KINDS
from corallite.train.runs.recipe import PRUNE, QUANTIZE, SLIM, TRAIN, Recipe
from corallite.train.runs.run import Run
from corallite.train.training import float_stage
from corallite.train.training.detect.task import CLASSES_ALONE, VisionTask
from corallite.train.training.initialization import initialize
from corallite.train.training.recipe import AUTO_WEIGHTS, Transfer
from corallite.train.training.teaching.teacher import Teaching


@dataclasses.dataclass(frozen=True)
class Recipes:
    """The recipes of the trainings of a pipeline."""

    train: Recipe = TRAIN
    prune: Recipe = PRUNE
    quantize: Recipe = QUANTIZE
    slim: Recipe = SLIM


def run_pipeline(
    data_dir: Path,
    run: Run,
    network: Network,
    recipes: Recipes,
    request: Request = DEFAULT,
    *,
    steps: str = "auto",
    sparsity: float | None = None,
    budget: Budget = NO_BUDGET,
    transfer: Transfer | None = AUTO_WEIGHTS,
    fit_policy: str = "crop",
    group_by: str | None = None,
    cache_gb: float | None = None,
    teaching: Teaching | None = None,
    task: VisionTask = CLASSES_ALONE,
) -> tuple[list[Any], ImageData]:
    """Makes every stage that is not finished.

    Args:
        data_dir: Class folders, a CSV, or shards.
        run: Receives the stages; may contain some already.
        network: What to train.
        recipes: How to train.
        request: How to convert; the default method follows `steps`. Its recipe is not
            used; its `overwrite` applies to all stages.
        steps: One of `chain.RECIPES`: which stages to make.
        sparsity: Zero fraction of the kernels, 0 to 1; 0 skips pruning; None for what
            `steps` chooses.
        budget: What the network may cost, where `steps` removes channels.
        transfer: Pretrained weights; None for random ones.
        fit_policy: How an image is fitted to the network's input.
        group_by: What images stay in one split; see `prepare_data`.
        cache_gb: How much may be decoded and kept; see `prepare_data`.
        teaching: The teacher of all trainings; None for labels alone. Where channels
            are removed, it teaches the float network, and that one its smaller selves.
        task: What the network is to find.

    Returns:
        The test results of all stages, `StageResult`, or `BoxResult` for a task with
        boxes; and the images, which the report also needs.

    Raises:
        RequestError: A stage cannot be made; earlier stages stay finished.
        AccuracyLostError: int8 lost more than allowed; earlier stages stay finished.
        KeyboardInterrupt: A signal stopped it; the same call resumes.
    """
    counts = _count_images(data_dir, run, task)
    chain = choose_chain(counts.images, run, steps, sparsity, request.method)
    logging.info("%s", chain.explain())
    _check(chain, recipes, budget)
    if chain.slims and task.finds_boxes:
        raise slim_stage.boxes_error(run)
    _refuse_unused_stages(run, chain, request.overwrite)
    own = teaching
    if chain.slims and teaching is not None:
        own = dataclasses.replace(teaching, path=run.path)
    request = dataclasses.replace(
        request, method=chain.method, recipe=recipes.quantize, teaching=own
    )
    with run.lock("pipeline"):
        if chain.slims and not run.first().is_complete():
            start = initialize(network, transfer).network
            slim_stage.check_budget(run, start.build(counts.classes), budget)
        _, data = float_stage.train(
            data_dir,
            run,
            network,
            recipes.train,
            transfer=transfer,
            fit_policy=fit_policy,
            group_by=group_by,
            cache_gb=cache_gb,
            teaching=teaching,
            overwrite=request.overwrite,
            task=task,
        )
        _discard_unused_stages(run, chain)
        _train_further(run, data, chain, recipes, budget, request)
        convert(run, data, request)
        if data.boxes is not None:
            return evaluate_boxes(run, data), data
        return evaluate_run(run, data), data


def _train_further(
    run: Run,
    data: ImageData,
    chain: Chain,
    recipes: Recipes,
    budget: Budget,
    request: Request,
) -> None:
    """Makes the stages between training and conversion."""
    common: dict[str, Any] = {
        "teaching": request.teaching,
        "overwrite": request.overwrite,
    }
    if chain.slims:
        slim_stage.slim(run, data, budget, recipes.slim, **common)
    if chain.sparsity:
        magnitude.prune(run, data, chain.sparsity, recipes.prune, **common)
    if request.method in KINDS:
        common["granularity"] = request.granularity or "channel"
        qat_stage.train_quantized(run, data, recipes.quantize, **common)


def _check(chain: Chain, recipes: Recipes, budget: Budget) -> None:
    """Raises `RequestError` for what would fail after a training of hours."""
    if chain.sparsity:
        magnitude.check_sparsity(chain.sparsity)
        magnitude.check_recipe(recipes.prune)
    if not chain.slims:
        budget.require_unset("--recipe=small")
    else:
        open_table(budget.board)


def _count_images(data_dir: Path, run: Run, task: VisionTask) -> Counts:
    """Counts the images and labels; those of the run if it has some already."""
    path = run.path / "split.json"
    if not path.exists():
        marked = task.read(data_dir)
        if marked is None:
            return count_images(data_dir)
        return Counts(len(marked[1].images), len(marked[1].labels))
    made = read_split(path)
    paths = {file.path for split in made.splits.values() for file in split}
    return Counts(len(paths), len(made.class_names))


def _refuse_unused_stages(run: Run, chain: Chain, overwrite: bool) -> None:
    """Raises `RequestError` for an earlier stage that these steps leave out."""
    if overwrite:
        return
    slim = run.stage(slim_stage.KIND.name)
    if not chain.slims and (slim.is_complete() or slim.is_begun()):
        raise RequestError(
            f"{slim.path} was made with other settings: channels were removed; give "
            "--recipe=small, another --run_dir, or --overwrite to remove it."
        )
    if not chain.sparsity:
        run.stage(magnitude.KIND.name).refuse_other_settings({"sparsity": 0})


def _discard_unused_stages(run: Run, chain: Chain) -> None:
    """Removes what is left of such a stage: those that follow would use it."""
    if not chain.slims:
        run.stage(slim_stage.KIND.name).discard()
    if not chain.sparsity:
        run.stage(magnitude.KIND.name).discard()
