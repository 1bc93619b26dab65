"""The interface that runs a model file; `runners` has a module per kind of file."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from corallite.device.model.signature import ModelSignature

Tensor = np.ndarray[Any, np.dtype[Any]]


class Runner(Protocol):
    """Runs a model file. One thread at a time may use it."""

    @property
    def signature(self) -> ModelSignature:
        """The model's inputs and outputs."""

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns the outputs by name; `inputs` has an array for each input.

        Raises:
            RuntimeError: The model loads but does not run.
        """
