"""Export targets: the formats that a model can be exported to, one module each."""

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np

from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData
from corallite.train.framework.keras import keras
from corallite.train.runs.stage import Stage

# Name of each target, and its module, which is imported on demand.
TARGETS = {
    "int8": "corallite.convert.export.int8",
    "features": "corallite.convert.export.features",
}


@dataclasses.dataclass(frozen=True)
class Candidate:
    """The files that a target made from a stage, before they are accepted.

    Attributes:
        files: Content by name, the model first.
        labels: The model's predictions on the validation split, int `[n]`, if the
            target has run it.
        quantized: The Keras graph with quantizers that it was made from, if any.
        record: More keys for the record of the stage.
    """

    files: Mapping[str, bytes]
    labels: np.ndarray | None = None
    quantized: keras.Model | None = None
    record: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def model(self) -> bytes:
        """The first of the files."""
        return next(iter(self.files.values()))


class ExportTarget(Protocol):
    """The interface of a target's module.

    Attributes:
        name: Key in TARGETS.
        extra: The pip extra of this package that it needs; "" for none.
        methods: Ways to quantize, in the order of their cost; none if it does not
            quantize.
        runner: The module in `device/engine/runners/` that runs its model; without one
            (None), its accuracy is not compared.
        verified: Where its files were run.
    """

    name: str
    extra: str
    methods: Sequence[str]
    runner: str | None
    verified: str

    def accepts(self, stage: Stage) -> bool:
        """Returns whether the target can be made from a stage."""
        ...

    def export(
        self, stage: Stage, data: ImageData, settings: Mapping[str, Any]
    ) -> Candidate:
        """Returns the files without writing them.

        Args:
            stage: A finished stage that the target accepts.
            data: The run's images.
            settings: The inputs in the record of the new stage.
        """
        ...


def find_target(name: str) -> ExportTarget:
    """Returns a target.

    Raises:
        RequestError: There is none of that name.
    """
    if name not in TARGETS:
        raise RequestError(f"Expected a target of {', '.join(TARGETS)}, got {name!r}.")
    return cast(ExportTarget, importlib.import_module(TARGETS[name]))
