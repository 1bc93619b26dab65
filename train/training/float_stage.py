"""Trains a network from class folders: the float stage of a run."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corallite.device.image.preprocess import Preprocessing
from corallite.device.learn.head import CrossValidation
from corallite.device.system.errors import RequestError
from corallite.train.data.doubtful import find_doubtful
from corallite.train.data.load import ImageData, prepare_data
from corallite.train.framework.keras import keras
from corallite.train.models import cost
from corallite.train.models.network import Network
from corallite.train.runs.recipe import (
    FROM_SCRATCH,
    PRETRAINED,
    Recipe,
    usual_of_boxes,
)
from corallite.train.runs.record import package_versions
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage
from corallite.train.training.detect.objective import choose_objective, complete
from corallite.train.training.detect.task import CLASSES_ALONE, VisionTask
from corallite.train.training.distribute.workers import ALONE, Workers
from corallite.train.training.finish_stage import finish_stage
from corallite.train.training.fit import fit
from corallite.train.training.head import describe_head, fit_head, head_images, log_head
from corallite.train.training.initialization import (
    RANDOM,
    Initialization,
    initialize,
    log_initialization,
)
from corallite.train.training.progress import warn_of_few_steps
from corallite.train.training.recipe import (
    AUTO_WEIGHTS,
    Transfer,
    choose_precision,
    settle,
)
from corallite.train.training.teaching.teacher import (
    Teacher,
    Teaching,
    load_teacher,
)
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
    cache_gb: float | None = None,
    teaching: Teaching | None = None,
    overwrite: bool = False,
    workers: Workers = ALONE,
    task: VisionTask = CLASSES_ALONE,
) -> tuple[Stage, ImageData]:
    """Trains `network` on the images of `data_dir`; the float stage and its data.

    Finished steps are not repeated. It writes `run.json`, the split assignment, the
    cached images, and in `float/` the model of the best epoch, `metrics.json` and
    TensorBoard logs.

    With `transfer`, the network is built with the conventions of the weights. Their
    head is kept if it has as many classes as there are in `data_dir`; else a new one is
    fitted to the training images first. With few images, no other layer is trained.

    Args:
        data_dir: The labelled images, see `prepare_data`.
        run: The run to begin or to resume.
        network: What to train.
        recipe: How to train; AUTO becomes numbers that suit the images.
        transfer: Pretrained weights; None for random ones.
        fit_policy: How an image is fitted to the network's input.
        group_by: See `prepare_data`.
        cache_gb: See `prepare_data`.
        teaching: The teacher of the network; None for labels alone.
        overwrite: Train again if it was done with other settings.
        workers: Those that train together; see `fit`.
        task: What the network is to find.

    Raises:
        RequestError: The data, the weights or the settings do not fit, the run has
            other data or settings, or another process is writing into it.
        KeyboardInterrupt: A signal stopped it; the same call resumes.
    """
    stage = run.first()
    preprocessing = Preprocessing(network.size_hw, fit_policy)
    start = initialize(network, transfer)
    if task.finds_boxes:
        task.check(start.is_frozen, teaching is not None, workers.count)
        start = start.decide(is_frozen=False)
    if teaching is not None:
        start = start.for_teacher()
        teaching.require()  # Before the images are decoded.
    settings = {**network.to_json(), "preprocessing": preprocessing.to_json()}
    settings |= task.to_json()
    recipe = choose_precision(recipe, {} if overwrite else stage.recorded_recipe())
    # Before the cached images are replaced by some of another size.
    if not overwrite:
        stage.refuse_other_settings(settings)
    marked = task.read(data_dir)
    with run.lock(stage.kind.verb):
        data = prepare_data(
            *(data_dir, run, preprocessing, group_by),
            shares_val=start.may_freeze,
            cache_gb=cache_gb,
            marked=marked,
        )
        training = _prepare(run, data, start, recipe, teaching, workers)
        settings |= training.to_json()
        if not overwrite:
            stage.refuse_other_settings({**RANDOM, "config": None, **settings})
        inputs = {**settings, "data": data.fingerprint}
        record = _describe_run(training, data_dir, teaching, inputs) | task.to_flags()
        if stage.is_done(inputs, overwrite):
            if not run.is_recorded():  # It was damaged, and removed.
                run.record(record)
            return stage, data
        stage.reopen()
        run.record(record)
        _make_stage(training, stage, inputs)
    return stage, data


@dataclasses.dataclass(frozen=True)
class _Training:
    """A training with nothing left to decide.

    Attributes:
        start: The network and its initial weights.
        recipe: With numbers in place of AUTO.
        data: The labelled images.
        teacher: Predicts the training images too.
        workers: Those that train together.
    """

    start: Initialization
    recipe: Recipe
    data: ImageData
    teacher: Teacher
    workers: Workers

    def to_json(self) -> dict[str, Any]:
        """Returns the settings that were decided, for the record."""
        taught = {**self.start.to_json(), **self.teacher.to_json()}
        return {**taught, "recipe": dataclasses.asdict(self.recipe)}


def _prepare(
    run: Run,
    data: ImageData,
    start: Initialization,
    recipe: Recipe,
    teaching: Teaching | None,
    workers: Workers,
) -> _Training:
    """Decides what depends on the images: numbers in place of AUTO, what is frozen."""
    num_classes = len(data.class_names)
    teacher = load_teacher(teaching, data, run.first())
    images = teacher.add_photos(data).splits["train"]
    start = start.decide(is_frozen=data.is_few and start.may_freeze(num_classes))
    if data.is_val_shared and not start.is_frozen:
        raise RequestError(
            f"{run.path}: trains on its validation images, as only a head was fitted; "
            "choose a new --run_dir to train all layers."
        )
    usual = PRETRAINED if start.is_pretrained else FROM_SCRATCH
    if data.boxes is not None:
        usual = usual_of_boxes(recipe, is_pretrained=start.is_pretrained)
    recipe = settle(recipe, usual, images)
    if start.is_frozen:
        # The features are computed once.
        recipe = dataclasses.replace(recipe, epochs=0, mixed_precision=False)
    return _Training(start, recipe, data, teacher, workers)


def _make_stage(training: _Training, stage: Stage, inputs: dict[str, Any]) -> None:
    data = training.data
    log_initialization(training.start, len(data.class_names))
    model, progress, head = _train_network(training, stage, inputs)
    metrics = {
        **cost_metrics(model),
        **_describe_head(head, data),
        "trained_on_val": data.is_val_shared,
    }
    finish_stage(stage, model, data, progress, inputs, **metrics)


def cost_metrics(model: keras.Model) -> dict[str, Any]:
    """Returns the cost of the model: parameters and multiply-accumulates."""
    return {"parameters": cost.count_parameters(model), "macs": cost.count_macs(model)}


def _describe_head(head: CrossValidation | None, data: ImageData) -> dict[str, Any]:
    if head is None:
        return {}
    split = head_images(data.splits["train"])
    doubtful = find_doubtful(head.probabilities, split, data.class_names)
    return {
        "head": describe_head(head),
        "doubtful": [vars(image) for image in doubtful],
    }


def _describe_run(
    training: _Training,
    data_dir: Path,
    teaching: Teaching | None,
    inputs: dict[str, Any],
) -> dict[str, Any]:
    """Returns the record of a run, which has what its command needs."""
    start, group_by = training.start, training.data.group_by
    record: dict[str, Any] = {
        "network": {**inputs, **start.network.to_json()},
        "data_dir": str(data_dir.resolve()),
    }
    if start.network.file:
        record["network"]["file"] = start.network.file
    if group_by is not None:
        record["group_by"] = group_by
    if start.path is not None and start.is_pretrained:
        record["weights"] = str(start.path.resolve())
    if teaching is not None:
        record |= teaching.to_flags()
    return {**record, "versions": package_versions()}


def _train_network(
    training: _Training, stage: Stage, inputs: dict[str, Any]
) -> tuple[keras.Model, Progress, CrossValidation | None]:
    """Returns the trained network, in float32 even if it was trained in float16."""
    start, recipe, data = training.start, training.recipe, training.data
    num_classes = max(2, len(data.class_names))
    head, progress = None, Progress()
    keras.utils.set_random_seed(recipe.seed)
    with _computing_in("mixed_float16" if recipe.mixed_precision else "float32"):
        model = complete(start.build(num_classes), data)
        needs_head = start.is_frozen or start.needs_head(num_classes)
        if needs_head and data.boxes is None:
            is_balanced = recipe.balance_classes
            images = head_images(data.splits["train"])
            head = fit_head(model, images, is_balanced=is_balanced)
            log_head(head)
        if not start.is_frozen:
            progress = _fit(model, training, stage, inputs)
    if recipe.mixed_precision:
        # Its variables are always float32; its layers say that they compute in float16,
        # which neither tfmot nor the converter may find.
        trained = model
        model = complete(start.network.build(num_classes), data)
        model.set_weights(trained.get_weights())
        for layer, former in zip(model.layers, trained.layers, strict=True):
            layer.trainable = former.trainable
    return model, progress, head


def _fit(
    model: keras.Model, training: _Training, stage: Stage, inputs: dict[str, Any]
) -> Progress:
    recipe, teacher = training.recipe, training.teacher
    shown = teacher.add_photos(training.data)
    warn_of_few_steps(stage.name, recipe, shown.splits["train"])
    return fit(
        model,
        shown,
        recipe,
        stage.path,
        objective=teacher.teach(choose_objective(training.data, recipe)),
        inputs=inputs,
        workers=training.workers,
    )


@contextlib.contextmanager
def _computing_in(policy: str) -> Iterator[None]:
    """Sets Keras's global policy for the block."""
    former = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(former)
