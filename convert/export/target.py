"""Export targets: the formats that a model can leave in, one module each."""

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np

from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData
from corallite.train.framework.keras import keras
from corallite.train.runs.stage import Stage

# Name of a target, and its module, which is loaded when it is asked for.
TARGETS = {"int8": "corallite.convert.export.int8"}


@dataclasses.dataclass(frozen=True)
class Candidate:
    """What a target made of a stage, before it is accepted.

    Attributes:
        files: Content by name, the model first.
        labels: What the model predicts on the validation split, int `[n]`, if the
            target has run it already.
        quantized: The Keras graph with quantizers that it was made of, if there is one.
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
    """What the module of a target offers.

    Attributes:
        name: In TARGETS.
        extra: The extra of this package to install for it; "" for none.
        methods: Ways to quantize, in the order of their cost; none if it does not
            quantize.
        runner: The module in `device/engine/runners/` that runs its model; None if
            nothing here does, and then its accuracy is not compared.
        verified: Where its files were run.
    """

    name: str
    extra: str
    methods: Sequence[str]
    runner: str | None
    verified: str

    def accepts(self, stage: Stage) -> bool:
        """Tells whether the target can be made from a stage."""
        ...

    def export(
        self, stage: Stage, data: ImageData, settings: Mapping[str, Any]
    ) -> Candidate:
        """Makes the files, and writes none.

        Args:
            stage: A finished stage that the target accepts.
            data: The run's images.
            settings: What the record of the new stage calls its inputs.
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
