"""Trains a network from class folders: the float stage of a run."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corallite.device.image.preprocess import Preprocessing
from corallite.train.data.doubtful import find_doubtful
from corallite.train.data.load import ImageData, prepare_data
from corallite.train.framework.keras import keras
from corallite.train.models import cost
from corallite.train.runs.recipe import FROM_SCRATCH, PRETRAINED, Recipe
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage, package_versions
from corallite.train.training.finish_stage import finish_stage
from corallite.train.training.fit import fit
from corallite.train.training.head import FittedHead, fit_head, log_head
from corallite.train.training.initialization import (
    RANDOM,
    Initialization,
    Network,
    initialize,
    log_initialization,
)
from corallite.train.training.objectives import classify
from corallite.train.training.recipe import AUTO_WEIGHTS, Transfer, settle
from corallite.train.training.training_state import Progress


def train(
    data_dir: Path,
    run: Run,
    network: Network,
    recipe: Recipe,
    *,
    transfer: Transfer | None = AUTO_WEIGHTS,
    fit_policy: str = "crop",
    group_by: str | None = None,
    overwrite: bool = False,
) -> tuple[Stage, ImageData]:
    """Trains `network` on the images of `data_dir`; the float stage and its data.

    Finished steps are not repeated. It writes `run.json`, the split assignment, the
    cached images, and in `float/` the model of the best epoch, `metrics.json` and
    TensorBoard logs.

    With `transfer`, the network is built with the conventions of the weights. Their
    head is kept if it has as many classes as there are in `data_dir`; else a new one is
    fitted to the training images first. With few images, that is all.

    Args:
        data_dir: The labelled images, see `prepare_data`.
        run: The run to begin or to resume.
        network: What to train.
        recipe: How to train; AUTO becomes numbers that suit the images.
        transfer: Pretrained weights; None for random ones.
        fit_policy: How an image is fitted to the network's input.
        group_by: See `prepare_data`.
        overwrite: Train again if it was done with other settings.

    Raises:
        RequestError: The data, the weights or the settings do not fit, the run has
            other data or settings, or another process is writing into it.
        KeyboardInterrupt: A signal stopped it; the same call resumes.
    """
    stage = run.first()
    preprocessing = Preprocessing(network.size_hw, fit_policy)
    start = initialize(network, transfer)
    settings = {**network.to_json(), "preprocessing": preprocessing.to_json()}
    # Before the cached images are replaced by some of another size.
    if not overwrite:
        stage.refuse_other_settings(settings)
    with run.lock(stage.kind.verb):
        is_pretrained = start.path is not None
        data = prepare_data(
            data_dir, run, preprocessing, group_by, is_pretrained=is_pretrained
        )
        usual = PRETRAINED if is_pretrained else FROM_SCRATCH
        recipe = settle(recipe, usual, data.splits["train"])
        labels = data.splits["train"].labels
        start = start.for_images(len(labels), len(data.class_names))
        if start.is_frozen:
            recipe = dataclasses.replace(recipe, epochs=0)
        settings |= {**start.to_json(), "recipe": dataclasses.asdict(recipe)}
        if not overwrite:
            stage.refuse_other_settings({**RANDOM, **settings})
        inputs = {**settings, "data": data.fingerprint}
        if stage.is_done(inputs, overwrite):
            if not run.is_recorded():  # It was damaged, and removed.
                _record_run(run, data_dir, data.group_by, start, inputs)
            return stage, data
        stage.reopen()
        _record_run(run, data_dir, data.group_by, start, inputs)
        log_initialization(start, len(data.class_names))
        model, progress, head = _train_network(start, data, recipe, stage, inputs)
        metrics = {
            **cost_metrics(model),
            **_describe_head(head, data),
            "trained_on_val": data.is_val_shared,
        }
        finish_stage(stage, model, data, progress, inputs, **metrics)
    return stage, data


def cost_metrics(model: keras.Model) -> dict[str, Any]:
    """Returns the cost of the model: parameters and multiply-accumulates."""
    return {"parameters": cost.count_parameters(model), "macs": cost.count_macs(model)}


def _describe_head(head: FittedHead | None, data: ImageData) -> dict[str, Any]:
    if head is None:
        return {}
    split = data.splits["train"]
    doubtful = find_doubtful(head.probabilities, split, data.class_names)
    return {"head": head.to_json(), "doubtful": [vars(image) for image in doubtful]}


def _record_run(
    run: Run,
    data_dir: Path,
    group_by: str | None,
    start: Initialization,
    inputs: dict[str, Any],
) -> None:
    record: dict[str, Any] = {
        "network": {**inputs, **start.network.to_json()},
        "data_dir": str(data_dir.resolve()),
    }
    if group_by is not None:
        record["group_by"] = group_by
    if start.path is not None:
        record["weights"] = str(start.path.resolve())
    run.record({**record, "versions": package_versions()})


def _train_network(
    start: Initialization,
    data: ImageData,
    recipe: Recipe,
    stage: Stage,
    inputs: dict[str, Any],
) -> tuple[keras.Model, Progress, FittedHead | None]:
    """Returns the trained network, in float32 even if it was trained in float16."""
    num_classes = len(data.class_names)
    head = None
    keras.utils.set_random_seed(recipe.seed)
    with _computing_in("mixed_float16" if recipe.mixed_precision else "float32"):
        model = start.build(num_classes)
        if start.is_frozen or start.needs_head(num_classes):
            head = fit_head(
                model,
                data.splits["train"],
                is_balanced=recipe.balance_classes,
                seed=recipe.seed,
            )
            log_head(head)
        progress = Progress()
        if not start.is_frozen:
            progress = fit(
                model,
                data,
                recipe,
                stage.path,
                objective=classify(data, recipe),
                inputs=inputs,
            )
    if recipe.mixed_precision:
        # Its variables are always float32; its layers say that they compute in float16,
        # which neither tfmot nor the converter may find.
        trained, model = model, start.network.build(num_classes)
        model.set_weights(trained.get_weights())
    return model, progress, head


@contextlib.contextmanager
def _computing_in(policy: str) -> Iterator[None]:
    """Sets Keras's global policy for the block."""
    former = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(former)
