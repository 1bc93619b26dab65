"""The state that a training resumes from, in one file that is complete or absent."""

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.system.storage import atomic
from corallite.train.framework.keras import keras
from corallite.train.runs.record import as_json, damaged_state, read_header
from corallite.train.training.average import WeightAverage
from corallite.train.training.objectives import Objective


@dataclasses.dataclass
class Progress:
    """The epochs of a training so far.

    Attributes:
        history: A record for each epoch: losses, metrics, those of the validation with
            the prefix `val_`, and seconds. After an interruption, training values and
            seconds are of the rest of the epoch only.
        best_epoch: Index in `history` of the best epoch; -1 at first.
    """

    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    best_epoch: int = -1

    @property
    def best(self) -> dict[str, float] | None:
        """The record of the best epoch; None before the first has ended."""
        return self.history[self.best_epoch] if self.history else None

    def has_stalled(self, patience: int) -> bool:
        """Returns whether the last `patience` epochs were not better; 0 is off."""
        return 0 < patience <= len(self.history) - 1 - self.best_epoch


class TrainingState:
    """What is saved of a training besides its model: progress and best weights.

    Attributes:
        path: File of the state.
        inputs: Everything that the training depends on, as JSON.
        progress: The epochs so far.
        average: The average of the weights, if the training has one.
        best_weights: Those of the best epoch, as `Model.get_weights` returns them;
            empty before the first epoch has ended.
    """

    def __init__(
        self,
        path: Path,
        inputs: dict[str, Any],
        average: WeightAverage | None = None,
    ):
        self.path = path
        self.inputs = inputs
        self.average = average
        self.progress = Progress()
        self.best_weights: list[np.ndarray] = []

    def end_epoch(
        self, model: keras.Model, record: dict[str, float], objective: Objective
    ) -> None:
        """Adds an epoch's record and keeps the weights if they are the best."""
        is_better = objective.is_better(record, self.progress.best)
        self.progress.history.append(record)
        if is_better:
            self.progress.best_epoch = len(self.progress.history) - 1
            self.best_weights = model.get_weights()

    def save(self, model: keras.Model) -> None:
        """Writes weights, optimizer, progress and best weights."""
        header = {"inputs": self.inputs, **dataclasses.asdict(self.progress)}
        optimizer = [variable.numpy() for variable in model.optimizer.variables]
        arrays: dict[str, Any] = {
            "header": np.array(json.dumps(header)),
            **_numbered("weight", model.get_weights()),
            **_numbered("best", self.best_weights),
            **_numbered("optimizer", optimizer),
            **_numbered("average", self.average.get() if self.average else []),
        }
        with atomic.replacing(self.path) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)

    def restore(self, model: keras.Model) -> None:
        """Restores the saved state of a compiled `model` and of this object.

        Does nothing if there is no file, or if its inputs differ.

        Raises:
            RequestError: The file is damaged.
        """
        header = read_header(self.path)
        if header is None or header.pop("inputs") != as_json(self.inputs):
            return
        try:
            with np.load(self.path) as arrays:
                self.best_weights = _in_order(arrays, "best")
                model.set_weights(_in_order(arrays, "weight"))
                _set_optimizer(model, _in_order(arrays, "optimizer"))
                if self.average is not None:
                    self.average.set(_in_order(arrays, "average"))
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise damaged_state(self.path) from error
        self.progress = Progress(**header)


def _set_optimizer(model: keras.Model, values: list[np.ndarray]) -> None:
    model.optimizer.build(model.trainable_variables)
    for variable, value in zip(model.optimizer.variables, values, strict=True):
        variable.assign(value)


def _numbered(prefix: str, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{prefix}_{number}": array for number, array in enumerate(arrays)}


def _in_order(arrays: Any, prefix: str) -> list[np.ndarray]:
    count = sum(name.startswith(f"{prefix}_") for name in arrays.files)
    return [arrays[f"{prefix}_{number}"] for number in range(count)]
