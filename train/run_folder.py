"""The run folder: what was made, from what, and whether it has to be made again."""

import dataclasses
import datetime
import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

from corallite.device import files
from corallite.device.errors import RequestError
from corallite.train.training_state import STATE_FILE, read_header

_PACKAGES = (
    "corallite",
    "tensorflow",
    "tf-keras",
    "tensorflow-model-optimization",
    "keras-cv",
    "ai-edge-litert",
    "opencv-python-headless",
    "numpy",
)


@dataclasses.dataclass(frozen=True)
class Stage:
    """One sub-folder of a run: `float`, `pruned`, `qat` or `int8`.

    A stage is complete when its `metrics.json` is there, which is written last.
    """

    run_dir: Path
    name: str
    model_file: str = "model.h5"

    @property
    def path(self) -> Path:
        return self.run_dir / self.name

    @property
    def model_path(self) -> Path:
        return self.path / self.model_file

    def is_complete(self) -> bool:
        """Tells whether the stage was finished and its model is still there."""
        return self.metrics() != {} and self.model_path.exists()

    def is_done(self, inputs: dict[str, Any], overwrite: bool = False) -> bool:
        """Tells whether the stage was finished from these very inputs.

        Raises:
            RequestError: It was finished, or begun, from others, and `overwrite` is
                off.
        """
        if not overwrite:
            self.refuse_other_settings(inputs)
        return self.is_complete() and self.metrics()["inputs"] == _as_json(inputs)

    def refuse_other_settings(self, settings: dict[str, Any]) -> None:
        """Compares the stage, if it was finished or begun, with `settings`.

        The parent is left out: what an earlier stage feeds us may change, and that is
        not a user's slip.

        Raises:
            RequestError: It was made from other values of `settings`.
        """
        made_from = self._made_from()
        difference = made_from and _difference(made_from, _as_json(settings))
        if difference:
            state = "made" if self.is_complete() else "begun"
            raise RequestError(
                f"{self.path} was {state} with other settings ({difference}); give "
                "another --run_dir, or --overwrite to make it again."
            )

    def finish(self, inputs: dict[str, Any], metrics: dict[str, Any]) -> None:
        """Records what the stage was made from and what it measured."""
        record = {
            "inputs": _as_json(inputs),
            **metrics,
            "finished": datetime.datetime.now().astimezone().isoformat("T", "seconds"),
            "versions": package_versions(),
        }
        files.write_json(self.path / "metrics.json", record)

    def reopen(self) -> None:
        """Marks the stage as not finished, because it is about to be made again."""
        (self.path / "metrics.json").unlink(missing_ok=True)

    def metrics(self) -> dict[str, Any]:
        """Returns what `finish` recorded; empty if the stage is not finished."""
        path = self.path / "metrics.json"
        return files.read_json(path) if path.exists() else {}

    def _made_from(self) -> dict[str, Any] | None:
        """Returns the inputs of the finished stage, or of the unfinished training."""
        if self.is_complete():
            return self.metrics()["inputs"]
        header = read_header(self.path / STATE_FILE)
        return header and header["inputs"]

    def require(self, verb: str) -> Path:
        """Returns the path of the finished stage's model.

        Raises:
            RequestError: The stage is not finished; names the verb that makes it.
        """
        if not self.is_complete():
            raise RequestError(
                f"{self.run_dir} has no finished {self.name} stage; run "
                f"`corallite {verb} --run_dir={self.run_dir}` first."
            )
        return self.model_path


def package_versions() -> dict[str, str]:
    """Returns the installed versions of the packages that results depend on."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def hash_file(path: Path) -> str:
    """Returns the SHA-256 of a file's content in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _as_json(inputs: dict[str, Any]) -> dict[str, Any]:
    """Tuples become lists and so on, as they will be when read back."""
    return json.loads(json.dumps(inputs))


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Returns in words which settings of `new` are others in `old`; "" if none."""
    old, new = _flatten(old), _flatten(new)
    names = [n for n in new if old.get(n) != new[n] and n != "parent"]
    return ", ".join(f"{n} {old.get(n)}, now {new[n]}" for n in names)


def _flatten(inputs: dict[str, Any]) -> dict[str, Any]:
    """Lifts the fields of the recipe and of the preprocessing to the top."""
    flat: dict[str, Any] = {}
    for name, value in inputs.items():
        flat.update(value if isinstance(value, dict) else {name: value})
    return flat
