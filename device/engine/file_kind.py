"""Which runtime runs a model file, by its name."""

from pathlib import Path
from typing import NamedTuple


class FileKind(NamedTuple):
    """A kind of model files other than `.tflite`.

    Attributes:
        runner: The module in `runners` that runs it.
        package: The package that it needs, for Python and for pip.
    """

    runner: str
    package: str


SAVED_MODEL = FileKind("saved_model", "tensorflow")
_BY_SUFFIX = {
    ".onnx": FileKind("onnx_runtime", "onnxruntime"),
    ".xml": FileKind("openvino_runtime", "openvino"),
    ".pb": SAVED_MODEL,
}


def find_kind(path: str | Path) -> FileKind | None:
    """Returns the kind of a file; None for a `.tflite` file.

    A file without a known suffix is taken for a `.tflite` file too, which its content
    tells.
    """
    kind = _BY_SUFFIX.get(Path(path).suffix.lower())
    if kind is None and (Path(path) / "saved_model.pb").is_file():
        return SAVED_MODEL
    return kind


def list_files(path: str | Path) -> list[Path]:
    """Returns all files of a model, the given or the main one first.

    The weights of OpenVINO and of a SavedModel are in files beside it. Those that
    another `.onnx` file may have are not known.
    """
    kind, given = find_kind(path), Path(path)
    if kind == SAVED_MODEL:
        folder = given if given.is_dir() else given.parent
        files = sorted(x for x in folder.rglob("*") if x.is_file())
        return sorted(files, key=lambda x: x.suffix != ".pb")
    if given.suffix.lower() == ".xml":
        return [given, given.with_suffix(".bin")]
    return [given]
