"""The slim stage of a run: a network with fewer channels, within a budget.

In a few rounds, the channels that the loss depends on least are removed, batch norms
are measured again, and the network is trained, with the unpruned one as its teacher.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.slim.budget import Budget, format_costs
from corallite.optimize.slim.importance import measure_importance
from corallite.optimize.slim.latencies import hash_latencies, is_file
from corallite.optimize.slim.planner import Planner, list_operators
from corallite.optimize.slim.recalibrate import recalibrate
from corallite.optimize.slim.remove_channels import remove_channels
from corallite.optimize.slim.trace_channels import trace_channels
from corallite.train.data.input_pipeline import one_hot, training_batches
from corallite.train.data.load import ImageData
from corallite.train.framework.keras import keras
from corallite.train.runs.kinds import KINDS
from corallite.train.runs.recipe import SLIMMING, Recipe
from corallite.train.runs.record import as_json
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage
from corallite.train.training.finish_stage import finish_stage
from corallite.train.training.fit import fit
from corallite.train.training.float_stage import cost_metrics
from corallite.train.training.model_file import save_model
from corallite.train.training.objectives import classify
from corallite.train.training.progress import warn_of_few_steps
from corallite.train.training.recipe import settle
from corallite.train.training.teaching.distil import predict_with
from corallite.train.training.teaching.teacher import (
    Teacher,
    Teaching,
    load_teacher,
)
from corallite.train.training.training_state import Progress

KIND = KINDS["slim"]
_ROUNDS = 3
# Of the epochs, in each round but the last.
_ROUND_SHARE = 0.15
_BATCH = 32
# Batches: for the importance of channels, and for the averages of batch norms.
_JUDGED, _AVERAGED = 16, 50


def boxes_error(run: Run) -> RequestError:
    """Returns the error of a run that finds boxes."""
    return RequestError(
        f"{run.path}: channels are removed from classifiers only, and this run finds "
        "boxes; prune with --sparsity, or train with a lower --width."
    )


def slim(
    run: Run,
    data: ImageData,
    budget: Budget,
    recipe: Recipe,
    *,
    teaching: Teaching | None = None,
    overwrite: bool = False,
) -> Stage:
    """Removes channels of a run's float model; returns the slim stage.

    Args:
        run: A run with a finished float stage.
        data: Its images.
        budget: What the network may cost.
        recipe: The training, of all rounds together.
        teaching: Another teacher than the float model.
        overwrite: Make the stage again if it was made with other settings.

    Raises:
        RequestError: There is no float model, a layer's channels are not known, the
            budget cannot be kept, latencies are missing, the teacher cannot teach, or
            another process is writing into the run.
        KeyboardInterrupt: A signal stopped it; the same call resumes.
    """
    if data.boxes is not None:
        raise boxes_error(run)
    parent, stage = run.stage(KIND.parents[0]), run.stage(KIND.name)
    source = parent.require()
    _refuse_zeros(stage)
    teacher = load_teacher(teaching, data, stage)
    images = teacher.add_photos(data).splits["train"]
    recipe = settle(recipe, SLIMMING, images, is_pretrained=run.is_pretrained())
    inputs = {
        "method": "channels",
        **_identify(budget, source),
        "recipe": dataclasses.asdict(recipe),
        "parent": parent.sha256(),
        "data": data.fingerprint,
        **teacher.to_json(),
    }
    if stage.is_done(inputs, overwrite):
        return stage
    with run.lock(KIND.verb):
        keras.utils.set_random_seed(recipe.seed)
        original = load_model(source)
        if teaching is None:
            teacher = Teacher(predict_with(original))
        stage.path.mkdir(exist_ok=True)
        planner = Planner(original, budget, stage.path)
        stage.reopen()
        stage.record_flags(_list_flags(teaching, budget))
        warn_of_few_steps(stage.name, recipe, images)
        rounds = _Rounds(stage, data, recipe, inputs, teacher)
        model, progress = rounds.run(original, planner)
        metrics = _describe(planner, original, model)
        finish_stage(stage, model, data, progress, inputs, parent, **metrics)
        rounds.remove_files()
    return stage


def _refuse_zeros(stage: Stage) -> None:
    """Refuses a run with zeros in all channels: `quantize` would go on from those."""
    pruned = stage.run.stage(KINDS["pruned"].name)
    if pruned.is_complete() and not stage.is_complete():
        raise RequestError(
            f"{pruned.path} has all channels, and later stages would go on from it; "
            "delete it, or give another --run_dir."
        )


def _identify(budget: Budget, source: Path) -> dict[str, Any]:
    """Returns the budget; instead of a board's file, the latencies that it needs."""
    fields = dataclasses.asdict(budget)
    if not is_file(budget.board):
        return fields
    operators = list_operators(load_model(source))
    return {
        **fields,
        "board": None,
        "latencies": hash_latencies(operators, budget.board),
    }


def _list_flags(teaching: Teaching | None, budget: Budget) -> dict[str, str]:
    """Returns the flags that name files."""
    flags = teaching.to_flags() if teaching else {}
    if is_file(budget.board):
        flags["board"] = str(Path(budget.board).resolve())
    return flags


def check_budget(run: Run, model: keras.Model, budget: Budget) -> None:
    """Measures a network that is not trained yet; `slim` uses the latencies later.

    Args:
        run: Receives the latencies.
        model: The network that `slim` will get.
        budget: What it may cost afterwards.

    Raises:
        RequestError: As `slim`, for what does not depend on weights.
    """
    folder = run.stage(KIND.name).path
    folder.mkdir(parents=True, exist_ok=True)
    Planner(model, budget, folder)


def _describe(
    planner: Planner, original: keras.Model, model: keras.Model
) -> dict[str, Any]:
    """Returns what the network costs now and before, for the record."""
    return {
        **cost_metrics(model),
        "predicted_before": planner.predict(original),
        "predicted": planner.predict(model),
        "channels": _compare_channels(original, model),
    }


class _Rounds:
    """The rounds of a stage. Each begins with a saved network, so that it resumes."""

    def __init__(
        self,
        stage: Stage,
        data: ImageData,
        recipe: Recipe,
        inputs: dict[str, Any],
        teacher: Teacher,
    ):
        self._stage = stage
        self._data = data
        self._recipe = recipe
        self._inputs = as_json(inputs)
        self._teacher = teacher
        self._record = stage.path / "rounds.json"
        self._epochs = _divide(recipe.epochs)
        # Of the rounds before the one that is trained.
        self._history: list[dict[str, float]] = []

    def run(
        self, original: keras.Model, planner: Planner
    ) -> tuple[keras.Model, Progress]:
        """Returns the trained network, and the epochs of all rounds."""
        begun = self._find_begun()
        model = load_model(self._path(begun)) if begun else original
        for number in range(max(1, begun), len(self._epochs) + 1):
            if number > begun:
                model = self._slim(model, planner, number)
            last = self._train(model, number)
            former, self._history = self._history, [*self._history, *last.history]
        return model, Progress(self._history, len(former) + last.best_epoch)

    def remove_files(self) -> None:
        """Removes what only an interrupted stage needs."""
        self._record.unlink(missing_ok=True)
        for number in range(1, len(self._epochs) + 1):
            self._path(number).unlink(missing_ok=True)

    def _slim(self, model: keras.Model, planner: Planner, number: int) -> keras.Model:
        """Returns the network of a round, not trained yet, and saves it."""
        channels = trace_channels(model)
        importance = measure_importance(model, channels, self._judged())
        kept = planner.choose(channels, importance, number / len(self._epochs))
        model = remove_channels(model, channels, kept)
        recalibrate(model, (images for images, _ in self._batches(_AVERAGED)))
        logging.info("Round %d: %s.", number, format_costs(planner.predict(model)))
        save_model(model, self._path(number))
        begun = {"inputs": self._inputs, "begun": number, "history": self._history}
        files.write_json(self._record, begun)
        return model

    def _train(self, model: keras.Model, number: int) -> Progress:
        recipe = dataclasses.replace(self._recipe, epochs=self._epochs[number - 1])
        objective = self._teacher.teach(classify(self._data, recipe))
        return fit(
            model,
            self._teacher.add_photos(self._data),
            recipe,
            self._stage.path,
            objective=objective,
            inputs={**self._inputs, "round": number},
        )

    def _find_begun(self) -> int:
        """Returns the number of the round that was begun with these inputs, or 0."""
        if not self._record.exists():
            return 0
        record = files.read_record(
            self._record, lambda x: (x["inputs"], int(x["begun"]), list(x["history"]))
        )
        inputs, begun, history = record
        if inputs != self._inputs:
            return 0
        self._history = history
        return begun

    def _path(self, number: int):
        return self._stage.path / f"round{number}.h5"

    def _judged(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return self._batches(_JUDGED)

    def _batches(self, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields batches of the training split, augmented but not mixed."""
        recipe = dataclasses.replace(
            self._recipe, batch_size=_BATCH, mixup_alpha=0.0, cutmix_alpha=0.0
        )
        batches = training_batches(
            self._data.splits["train"],
            recipe,
            one_hot(len(self._data.class_names)),
            first_epoch=0,
            epochs=count,  # At least one batch each.
        )
        return batches.take(count).as_numpy_iterator()


def _compare_channels(
    original: keras.Model, model: keras.Model
) -> dict[str, list[int]]:
    """Returns the output channels of each convolution, before and after."""
    return {
        layer.name: [layer.filters, model.get_layer(layer.name).filters]
        for layer in original.layers
        if type(layer) is keras.layers.Conv2D
    }


def _divide(epochs: int) -> list[int]:
    """Returns the epochs of each round; the last restores the accuracy."""
    rounds = min(_ROUNDS, epochs)
    short = max(1, round(_ROUND_SHARE * epochs))
    return [short] * (rounds - 1) + [epochs - short * (rounds - 1)]
