"""What an export target is, and what it makes."""

import contextlib
import dataclasses
import importlib
import importlib.util
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from corallite.convert.evaluate.boxes.find_in_file import Predicted
from corallite.device.engine.runtime import first_line
from corallite.device.system.errors import RequestError
from corallite.device.system.text import cut
from corallite.train.data.load import ImageData
from corallite.train.framework.keras import keras
from corallite.train.runs.stage import Stage

# Of one call of a converter. NNCF takes minutes for a network of 224 pixels.
_TIMEOUT_S = 3600.0


@dataclasses.dataclass(frozen=True)
class Candidate:
    """The files that a target made from a stage, before they are accepted.

    Attributes:
        files: Content by name, relative to the folder of the stage, the model first.
        labels: The model's predictions on the validation split, int `[n]`, if the
            target has run it.
        quantized: The Keras graph with quantizers that it was made from, if any.
        record: More keys for the record of the stage; `convert` prints the lines of
            "notes".
        predicted: The same as `labels`, of a model that finds boxes.
    """

    files: Mapping[str, bytes]
    labels: np.ndarray | None = None
    quantized: keras.Model | None = None
    record: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    predicted: Predicted | None = None

    @property
    def model(self) -> bytes:
        """The first of the files."""
        return next(iter(self.files.values()))


# Returns the files of a stage without writing them. Takes a finished stage that the
# target accepts, the run's images, and the inputs in the record of the new stage.
Export = Callable[[Stage, ImageData, Mapping[str, Any]], Candidate]


@dataclasses.dataclass(frozen=True)
class Target:
    """A format that a model can be exported to.

    Attributes:
        name: Of `convert --to`, and of the folder in `exports/`.
        summary: What it makes, for `convert --list`.
        accepts: Whether it can be made from a stage.
        export: Makes it; raises `RequestError` if it cannot take the model.
        verified: Where its files were run.
        runner: The module in `device/engine/runners/` that runs its model; without one
            (None), its accuracy is not compared.
        extra: The pip extra of this package that it needs; "" for none.
        packages: The modules to import that `extra` brings.
        methods: Ways to quantize, in the order of their cost; none if it does not
            choose one.
        options: The flags that it takes, with their defaults.
        takes_boxes: Whether it exports models that find boxes, too.
    """

    name: str
    summary: str
    accepts: Callable[[Stage], bool]
    export: Export
    verified: str
    runner: str | None = None
    extra: str = ""
    packages: tuple[str, ...] = ()
    methods: Sequence[str] = ()
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    takes_boxes: bool = False

    @property
    def install(self) -> str:
        """The command that installs what it needs; "" if nothing is needed."""
        return f"pip install 'corallite[{self.extra}]'" if self.extra else ""

    def require_packages(self) -> None:
        """Raises `RequestError` if a package that it needs is not installed."""
        for package in self.packages:
            if importlib.util.find_spec(package) is None:
                raise RequestError(
                    f"--to={self.name} needs {package}, which is not installed; run: "
                    f"{self.install}."
                )
            try:
                importlib.import_module(package)
            except Exception as error:  # Another version of NumPy may raise anything.
                raise RequestError(
                    f"--to={self.name}: {package} cannot be imported "
                    f"({first_line(error)}); install it again: {self.install}."
                ) from error


@contextlib.contextmanager
def reporting(tool: str, timeout_s: float = _TIMEOUT_S) -> Iterator[None]:
    """Turns what a tool raises while it writes a model into a sentence.

    A tool that hangs ends this process with exit status 2 and a sentence: it runs in
    it, so nothing else would end it. Nothing has been written then.

    Raises:
        RequestError: It raised something.
    """
    # stderr may be withheld while the tool runs.
    stderr = os.dup(2)
    timer = threading.Timer(timeout_s, _give_up, (tool, timeout_s, stderr))
    timer.daemon = True
    timer.start()
    try:
        yield
    except (RequestError, OSError):
        raise
    except Exception as error:  # Their errors have no common base.
        raise RequestError(
            f"{tool} cannot write the model ({cut(first_line(error), 200)}); choose "
            f"another target, or free some space if {tempfile.gettempdir()} is full."
        ) from error
    finally:
        timer.cancel()
        os.close(stderr)


def _give_up(tool: str, timeout_s: float, stderr: int) -> None:
    os.write(
        stderr,
        f"corallite: {tool} gave no result in {timeout_s:g} s and was ended; nothing "
        "was written. Run the command again, or choose another target.\n".encode(),
    )
    os._exit(2)


def is_keras(stage: Stage) -> bool:
    """Accepts a stage with a Keras model."""
    return stage.kind.is_keras


def is_float(stage: Stage) -> bool:
    """Accepts a stage with a Keras model without quantizers."""
    return stage.kind.is_keras and not stage.kind.is_quantized


def is_int8(stage: Stage) -> bool:
    """Accepts the stage of the int8 file."""
    return stage.name == "int8"
