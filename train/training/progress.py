"""Shows the progress of a training, and warns before one that will not go well."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from absl import logging
from tqdm import tqdm

from corallite.device.system import memory
from corallite.device.system.errors import RequestError
from corallite.train.data.input_pipeline import steps_per_epoch
from corallite.train.data.load import Split
from corallite.train.framework.keras import keras, tf
from corallite.train.models import cost
from corallite.train.runs.commands import name_recipe_flag
from corallite.train.runs.recipe import Recipe
from corallite.train.training.objectives import Objective

# Steps of a whole training. 60 (300 photos, batches of 128) reached 45 % top-1.
_FEW_STEPS = 100


class MeasureEpochs(keras.callbacks.Callback):
    """Adds the number that compares epochs, where Keras does not measure it."""

    def __init__(self, objective: Objective, split: Split):
        super().__init__()
        self._objective = objective
        self._split = split

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        if self._objective.evaluate is not None:
            value = self._objective.evaluate(self.model, self._split)
            logs[f"val_{self._objective.metric}"] = value


class ShowProgress(keras.callbacks.Callback):
    """A bar with loss, metric and time left, or one log line after each epoch."""

    def __init__(self, title: str, epochs: int, total_steps: int, metric: str):
        super().__init__()
        self.title = title
        self.epochs = epochs
        self.total_steps = total_steps
        self.metric = metric
        self._bar: tqdm | None = None
        self._began_s = 0.0
        self._first_step = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._began_s = time.monotonic()
        self._first_step = self._steps_taken()
        if sys.stderr.isatty() and self._bar is None:
            self._bar = tqdm(
                total=self.total_steps,
                initial=self._first_step,
                desc=self.title,
                dynamic_ncols=True,
                bar_format="{desc} {percentage:3.0f}%|{bar}| {remaining} left{postfix}",
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._bar is not None:
            self._bar.set_description_str(f"{self.title} {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        if self._bar is not None:
            shown = f"loss {logs['loss']:.3f}"
            if self.metric in logs:
                shown += f", {self.metric} {logs[self.metric]:.3f}"
            self._bar.set_postfix_str(shown, refresh=False)
            self._bar.update(1)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        trained = logs.get(self.metric)
        shown = "" if trained is None else f"{self.metric} {trained:.4f}, "
        line = (
            f"{self.title} epoch {epoch + 1}/{self.epochs}: loss {logs['loss']:.3f}, "
            f"{shown}validation {self.metric} {logs[f'val_{self.metric}']:.4f}"
        )
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            logging.info("%s, %s left", line, self._time_left())

    def close(self) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _steps_taken(self) -> int:
        return int(self.model.optimizer.iterations.numpy())

    def _time_left(self) -> str:
        taken = self._steps_taken()
        pace_s = (time.monotonic() - self._began_s) / max(1, taken - self._first_step)
        return tqdm.format_interval(pace_s * (self.total_steps - taken))


def warn_of_few_steps(stage: str, recipe: Recipe, images: Split) -> None:
    """Warns of a training with so few steps that it cannot learn much."""
    steps = recipe.epochs * steps_per_epoch(images, recipe.batch_size)
    if steps < _FEW_STEPS:
        logging.warning(
            "%s: %d epochs are only %d optimizer steps, too few to learn "
            "much; give more with %s, or smaller batches than %d with %s.",
            stage,
            recipe.epochs,
            steps,
            name_recipe_flag(stage, "epochs"),
            recipe.batch_size,
            name_recipe_flag(stage, "batch_size"),
        )


def warn_of_memory(model: keras.Model, stage: str, batch_size: int) -> None:
    """Warns of batches that need more memory than there is."""
    available = memory.read_available_bytes()
    needed = cost.estimate_training_bytes(model, batch_size)
    if available is None or needed <= available:
        return
    smaller = batch_size
    while smaller > 1 and cost.estimate_training_bytes(model, smaller) > available:
        smaller //= 2
    logging.warning(
        "%s: batches of %d images need about %.1f GB of memory, and %.1f GB are free; "
        "give %s, %d or less, with --overwrite.",
        *(stage, batch_size, needed / 1e9, available / 1e9),
        *(name_recipe_flag(stage, "batch_size"), smaller),
    )


@contextlib.contextmanager
def reporting_lack_of_memory(stage: str, recipe: Recipe) -> Iterator[None]:
    """Raises `RequestError` if a training has not enough memory."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise RequestError(
            "The training ran out of memory; begin again with --overwrite and, below "
            f"{recipe.batch_size}, {name_recipe_flag(stage, 'batch_size')}."
        ) from error
