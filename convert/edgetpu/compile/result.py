"""What came of compiling a file for the Edge TPU, or is expected to."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corallite.convert.edgetpu.compile.bisection import Breaking
from corallite.convert.edgetpu.compile.log_parser import CompilerText
from corallite.convert.edgetpu.predict.prediction import Prediction
from corallite.convert.tflite.model import Model

# What `Compilation.edgetpu` rests on.
FROM_FILE = "the compiled file"
FROM_LOG = "the compiler's log, aligned with the prediction"
FROM_COMPILER = "the compiler, which failed"
PREDICTED = "predicted, the compiler was not run"


@dataclass(frozen=True)
class Compilation:
    """What the compiler has made of a model, or is expected to.

    Attributes:
        path: The model.
        model: Its structure.
        edgetpu: What became of its operators, in the form of a prediction.
        basis: What that rests on: one of FROM_FILE, FROM_LOG, FROM_COMPILER, PREDICTED.
        compiled: The files that were written, one or one a segment.
        text: What the compiler said; None if it was not run.
        breaking: Where it failed, if that was looked for and found.
        parameters: Bytes by name in `Prediction.to_json`, as the compiler and its file
            have them; None for what they do not say.
        runs: How often the compiler was run on the whole model.
        duration_s: How long the last of these took.
        warnings: Sentences about what does not go together.
    """

    path: Path
    model: Model
    edgetpu: Prediction
    basis: str
    compiled: tuple[Path, ...] = ()
    text: CompilerText | None = None
    breaking: Breaking | None = None
    parameters: dict[str, Any] = dataclasses.field(default_factory=dict)
    runs: int = 0
    duration_s: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def is_predicted(self) -> bool:
        """Whether the compiler was not run."""
        return self.text is None

    def to_json(self) -> dict[str, Any]:
        """Returns a dict that `json` can write; "edgetpu" is as in an audit."""
        return {
            "file": str(self.path),
            "compiled": [str(path) for path in self.compiled],
            "is_predicted": self.is_predicted,
            "basis": self.basis,
            "operators": len(self.model.main.operators),
            "edgetpu": {**self.edgetpu.to_json(), **self.parameters},
            "breaking": self.breaking and vars(self.breaking),
            "compiler_text": self.text and self.text.to_json(),
            "runs": self.runs,
            "duration_s": round(self.duration_s, 3),
            "warnings": list(self.warnings),
        }
