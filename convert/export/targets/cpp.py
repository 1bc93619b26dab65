"""The int8 file with a C++ program that runs it: a folder to copy to a board."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corallite.convert.export.targets.target import Candidate, Target, is_int8
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage

# In the checkout, and in the wheel beside `convert`.
_FOLDER = Path(__file__).parents[3] / "examples" / "cpp"
_SUFFIXES = (".cc", ".h", ".md", ".txt")


def read_sources() -> dict[str, bytes]:
    """Returns the content of each source file by its name."""
    paths = sorted(x for x in _FOLDER.iterdir() if x.suffix in _SUFFIXES)
    return {path.name: path.read_bytes() for path in paths}


def export(stage: Stage, data: ImageData, settings: Mapping[str, Any]) -> Candidate:
    """Adds the sources to the int8 file; see `Target.export`."""
    model = stage.model_path
    return Candidate({model.name: model.read_bytes(), **read_sources()})


TARGETS = (
    Target(
        "cpp",
        "the int8 file with a C++ program that runs it, for boards without Python",
        accepts=is_int8,
        export=export,
        verified="x86-64 (g++ 12, OpenCV 4.6) and emulated aarch64",
    ),
)
