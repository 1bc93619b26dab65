"""All that a training needs to go on, in one file that is whole or not there."""

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.system import files
from corallite.train.framework.keras import keras
from corallite.train.runs.stage import damaged_state, read_header


@dataclasses.dataclass
class Progress:
    """How far a training has come.

    Attributes:
        history: One record an epoch: loss, accuracy, val_loss, val_accuracy, seconds.
            Of an epoch that was interrupted, loss, accuracy and seconds are those of
            the part after the interruption.
        best_epoch: Index in `history` of the best validation accuracy; -1 at first.
    """

    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    best_epoch: int = -1

    @property
    def best_accuracy(self) -> float:
        return self.history[self.best_epoch]["val_accuracy"] if self.history else -1.0

    def has_stalled(self, patience: int, first_epoch: int = 0) -> bool:
        """Tells whether the last `patience` epochs were no better; 0 is off.

        Epochs before `first_epoch` do not count.
        """
        last_good = max(self.best_epoch, first_epoch - 1)
        epochs_since_best = len(self.history) - 1 - last_good
        return 0 < patience <= epochs_since_best


class TrainingState:
    """What is kept of a training beside its model: progress and best weights.

    Attributes:
        path: File of the state.
        inputs: What the training depends on, as JSON takes it.
        progress: So far.
        best_weights: Of the best epoch, in the order of `Model.get_weights`; empty
            before the first epoch has ended.
    """

    def __init__(self, path: Path, inputs: dict[str, Any]):
        self.path = path
        self.inputs = inputs
        self.progress = Progress()
        self.best_weights: list[np.ndarray] = []

    def end_epoch(self, model: keras.Model, record: dict[str, float]) -> None:
        """Adds an epoch's record and keeps the weights if they are the best."""
        is_better = record["val_accuracy"] > self.progress.best_accuracy
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
        }
        with files.replacing(self.path) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)

    def restore(self, model: keras.Model) -> None:
        """Brings `model`, compiled, and this object to where they were saved.

        Leaves both alone if there is no file, or one of a training with other inputs.

        Raises:
            RequestError: The file is damaged.
        """
        header = read_header(self.path)
        if header is None or header.pop("inputs") != json.loads(
            json.dumps(self.inputs)
        ):
            return
        try:
            with np.load(self.path) as arrays:
                self.best_weights = _in_order(arrays, "best")
                model.set_weights(_in_order(arrays, "weight"))
                _set_optimizer(model, _in_order(arrays, "optimizer"))
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
