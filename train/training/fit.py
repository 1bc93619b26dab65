"""Trains a model in steps that resume after any interruption."""

import contextlib
import json
import math
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from absl import logging

from corallite.device.system.errors import RequestError
from corallite.device.system.signals import Stop, stop_on_signals
from corallite.device.system.storage import atomic
from corallite.train.data import input_pipeline
from corallite.train.data.load import ImageData
from corallite.train.framework.keras import keras, tf
from corallite.train.framework.tensorboard_log import LogScalars
from corallite.train.runs.commands import name_recipe_flag
from corallite.train.runs.record import as_json
from corallite.train.runs.stage import STATE_FILE
from corallite.train.training.average import WeightAverage
from corallite.train.training.distribute.workers import ALONE, Workers
from corallite.train.training.objectives import Objective
from corallite.train.training.progress import (
    MeasureEpochs,
    ShowProgress,
    reporting_lack_of_memory,
    warn_of_memory,
)
from corallite.train.training.recipe import Recipe, build_optimizer
from corallite.train.training.training_state import Progress, TrainingState

# Mean of an epoch. A network that guesses has ln(classes), below 10; while the averages
# of batch norms settle, the validation loss may be above.
_MOST_LOSS = 1e3


def fit(
    model: keras.Model,
    data: ImageData,
    recipe: Recipe,
    stage_dir: Path,
    *,
    objective: Objective,
    inputs: dict[str, Any],
    callbacks: Sequence[keras.callbacks.Callback] = (),
    keep_best: bool = True,
    workers: Workers = ALONE,
) -> Progress:
    """Trains `model` in place; resumes where an earlier call with `inputs` stopped.

    The state is saved after every epoch and when SIGINT or SIGTERM asks to stop, so a
    killed process loses less than an epoch. Order of images, augmentation and learning
    rates depend on the step alone: a resumed training takes the same steps as one that
    was not interrupted.

    Args:
        model: Compiled here; ends with the weights of the best epoch if `keep_best`.
        data: Trains on the split "train", chooses the best epoch on `data.choosing`.
        recipe: The settings.
        stage_dir: Holds the state and the TensorBoard logs.
        objective: What the training minimizes, and how it compares epochs.
        inputs: Everything that the training depends on. A saved state with other
            inputs is not used.
        callbacks: Additional Keras callbacks, as pruning needs.
        keep_best: False ends with the last weights: while pruning, the best epoch comes
            before the target sparsity. Without effect if the validation images are
            trained on too: then the last weights are always kept.
        workers: Those that train together. The state is then saved after epochs only.

    Raises:
        Dismissed: The training is over, and another worker is the chief.
        KeyboardInterrupt: A signal stopped the training. The state is saved, and the
            former handler has received the signal.
        RequestError: The saved state is damaged, the training diverged (its loss is
            above 1000 or not finite), memory is short, or several workers train boxes.
    """
    workers.require_means(is_mean=objective.evaluate is None)
    steps = input_pipeline.steps_per_epoch(data.splits["train"], recipe.batch_size)
    workers.require_batch(min(recipe.batch_size, len(data.splits["train"].labels)))
    given, model = model, workers.place(model)
    with workers.scope():
        _compile(model, objective, build_optimizer(recipe, steps))
        model.optimizer.build(model.trainable_variables)
    if workers.strategy is None and objective.evaluate is None:
        _trace_losses(model)
    average = WeightAverage(model, recipe.ema) if recipe.ema else None
    state = TrainingState(stage_dir / STATE_FILE, inputs, average)
    workers.begin(json.dumps(as_json(inputs), sort_keys=True), state.path)
    state.restore(model)
    warn_of_memory(model, stage_dir.name, recipe.batch_size)
    keep_best = keep_best and not data.is_val_shared
    with _postponing_signals() as stop:
        checkpointer = _Checkpointer(state, objective, recipe, steps, stop, workers)
        shown = ShowProgress(
            stage_dir.name, recipe.epochs, recipe.epochs * steps, objective.metric
        )
        curves = LogScalars(stage_dir / "tensorboard")
        with (
            reporting_lack_of_memory(stage_dir.name, recipe),
            input_pipeline.reporting_unreadable(),
            contextlib.closing(curves),
            contextlib.closing(shown),
        ):
            _run_epochs(model, data, checkpointer, [*callbacks, shown, curves])
    if average is not None:
        average.swap()
    progress = state.progress
    weights = state.best_weights if keep_best else model.get_weights()
    workers.leave()
    checkpointer.require_usable(progress.best if keep_best else progress.history[-1])
    given.set_weights(weights)
    return progress


def discard_state(stage_dir: Path) -> None:
    """Removes the state of a finished training, after its model was saved."""
    (stage_dir / STATE_FILE).unlink(missing_ok=True)
    atomic.remove_leftovers(stage_dir / STATE_FILE)


class _Stopped(Exception):
    """Ends Keras's loop in the middle of an epoch."""


@contextlib.contextmanager
def _postponing_signals() -> Iterator[Stop]:
    """Yields whether SIGINT or SIGTERM has arrived; delivers it after the block."""
    with stop_on_signals() as stop, contextlib.suppress(_Stopped):
        yield stop
    if stop.is_set():
        if stop.signal_number is not None:
            signal.raise_signal(stop.signal_number)
        raise KeyboardInterrupt


def _compile(
    model: keras.Model, objective: Objective, optimizer: keras.optimizers.Optimizer
) -> None:
    metrics = [objective.measure or objective.metric]
    # XLA is for GPUs; on two cores, it was slower.
    is_mixed = keras.mixed_precision.global_policy().name == "mixed_float16"
    is_alone = not tf.distribute.has_strategy()
    model.compile(
        optimizer,
        objective.losses,
        loss_weights=objective.loss_weights,
        metrics=[] if objective.evaluate else metrics,
        jit_compile=is_mixed and is_alone,
    )


def _trace_losses(model: keras.Model) -> None:
    """Creates the variables of loss and metrics.

    A first step that creates them is traced twice, which takes seconds for a network of
    200 layers.
    """
    outputs = tf.zeros((1, *model.output_shape[1:]))
    model.compute_loss(y=outputs, y_pred=outputs)
    model.compute_metrics(None, outputs, outputs, None)
    model.reset_metrics()


def _run_epochs(
    model: keras.Model,
    data: ImageData,
    checkpointer: "_Checkpointer",
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Trains the rest of an interrupted epoch, then whole ones."""
    objective, recipe = checkpointer.objective, checkpointer.recipe
    average, workers = checkpointer.state.average, checkpointer.workers
    while not checkpointer.is_over(model):
        epoch, step = divmod(_steps_taken(model), checkpointer.steps)
        last_epoch = epoch + 1 if step else recipe.epochs
        batches = input_pipeline.training_batches(
            data.splits["train"],
            recipe,
            objective.targets,
            first_epoch=epoch,
            epochs=last_epoch,
            first_step=step,
            teach=objective.teach,
            part=(workers.index, workers.count),
        )
        validation = input_pipeline.evaluation_batches(
            data.choosing, recipe.batch_size, objective.targets
        )
        model.fit(
            **workers.distribute(batches, objective.class_weights),
            initial_epoch=epoch,
            epochs=last_epoch,
            steps_per_epoch=checkpointer.steps - step,
            validation_data=workers.divide(validation),
            # A state that is saved after a step has the average of that step.
            callbacks=[*_measuring(average, objective, data), checkpointer, *callbacks],
            verbose=0,
        )


def _measuring(
    average: WeightAverage | None, objective: Objective, data: ImageData
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks that come before the state is saved."""
    measure = objective.evaluate and MeasureEpochs(objective, data.choosing)
    return [x for x in (average, measure) if x is not None]


def _steps_taken(model: keras.Model) -> int:
    return int(model.optimizer.iterations.numpy())


class _Checkpointer(keras.callbacks.Callback):
    """Saves the state, and ends the training when it is over."""

    def __init__(
        self,
        state: TrainingState,
        objective: Objective,
        recipe: Recipe,
        steps: int,
        stop: Stop,
        workers: Workers,
    ):
        super().__init__()
        self.state = state
        self.objective = objective
        self.recipe = recipe
        self.steps = steps
        self.stop = stop
        self.workers = workers
        self.stage_name = state.path.parent.name
        self._epoch_began_s = 0.0
        self._has_warned = False

    def is_over(self, model: keras.Model) -> bool:
        """Returns whether the last epoch, patience or a signal ends the training."""
        is_last = _steps_taken(model) >= self.recipe.epochs * self.steps
        has_stalled = self.state.progress.has_stalled(self.recipe.patience)
        return is_last or has_stalled or self.stop.is_set()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch_began_s = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        if not math.isfinite(logs["loss"]):
            epoch = (_steps_taken(self.model) - 1) // self.steps
            raise self._diverged(f"in epoch {epoch + 1} (the loss", logs["loss"])
        # After the last step of an epoch, on_epoch_end saves the state.
        if self.stop.is_set() and _steps_taken(self.model) % self.steps:
            # Several workers can only save together, and the others go on.
            if self.workers.count == 1:
                self.state.save(self.model)
                self._log_how_to_resume()
            raise _Stopped

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        record = {name: float(value) for name, value in logs.items()}
        if not record["loss"] < _MOST_LOSS:
            raise self._diverged(f"in epoch {epoch + 1} (the loss", record["loss"])
        if not record["val_loss"] < _MOST_LOSS and not self._has_warned:
            self._has_warned = True
            logging.warning(
                "The validation loss of the %s training is %.3g in epoch %d; if it "
                "does not fall, lower %s.",
                *(self.stage_name, record["val_loss"], epoch + 1),
                name_recipe_flag(self.stage_name, "learning_rate"),
            )
        record["seconds"] = round(time.monotonic() - self._epoch_began_s, 1)
        self.state.end_epoch(self.model, record, self.objective)
        if self.state.average is not None:
            self.state.average.swap()
        self.state.save(self.model)
        if self.stop.is_set():
            self._log_how_to_resume()
        self.model.stop_training = self.is_over(self.model)

    def require_usable(self, record: dict[str, float] | None) -> None:
        """Refuses to end with the weights of an epoch that predicts no numbers."""
        if record and not math.isfinite(record["val_loss"]):
            raise self._diverged("(the validation loss", record["val_loss"])

    def _diverged(self, when: str, loss: float) -> RequestError:
        return RequestError(
            f"The {self.stage_name} training diverged {when} is {loss:.3g}); run the "
            "same command again with --overwrite and, below "
            f"{self.recipe.learning_rate:g}, "
            f"{name_recipe_flag(self.stage_name, 'learning_rate')}."
        )

    def _log_how_to_resume(self) -> None:
        taken, total = _steps_taken(self.model), self.recipe.epochs * self.steps
        logging.warning(
            "Stopped at step %d of %d; run the same command to resume.", taken, total
        )
