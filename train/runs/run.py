"""The run folder: what was made, from what, and whether it has to be made again."""

import dataclasses
import datetime
import hashlib
import importlib.metadata
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.commands import name_command
from corallite.train.training.training_state import STATE_FILE, read_header

_T = TypeVar("_T")
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

# The stages in the order of the road, and the verb that makes each.
VERBS = {"float": "train", "pruned": "prune", "qat": "quantize", "int8": "convert"}


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

    def is_begun(self) -> bool:
        """Tells whether the stage was begun and has not been finished."""
        left = (self.path / STATE_FILE, self.model_path)
        return not self.is_complete() and any(path.exists() for path in left)

    def is_outdated(self) -> bool:
        """Tells whether a model that a finished stage goes back to is gone since."""
        parent = self.metrics().get("inputs", {}).get("parent")
        before = list(VERBS)[: list(VERBS).index(self.name)]
        earlier = [
            x for x in (Stage(self.run_dir, n) for n in before) if x.is_complete()
        ]
        hashes = {hash_file(x.model_path) for x in earlier if not x.is_outdated()}
        return bool(parent and earlier) and parent not in hashes

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
        if made_from is None:
            return
        difference = _difference(made_from, _as_json(settings))
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
        if not (self.path / "metrics.json").exists():
            return {}
        return self.recall(lambda x: {**x, "inputs": dict(x["inputs"])})

    def recall(self, parse: Callable[[dict[str, Any]], _T]) -> _T:
        """Returns what `parse` makes of what `finish` recorded of a finished stage.

        Raises:
            RequestError: The record lacks what `parse` asks for.
        """
        return files.read_record(self.path / "metrics.json", parse)

    def best_accuracy(self) -> float:
        """Returns top-1 on the validation part of the epoch whose weights were kept.

        Raises:
            RequestError: The record does not say.
        """
        return self.recall(
            lambda x: float(x["history"][x["best_epoch"]]["val_accuracy"])
        )

    def _made_from(self) -> dict[str, Any] | None:
        """Returns the inputs of the finished stage, or of the unfinished training."""
        if self.is_complete():
            return self.metrics()["inputs"]
        header = read_header(self.path / STATE_FILE)
        return header and header["inputs"]

    def require(self) -> Path:
        """Returns the path of the finished stage's model.

        Raises:
            RequestError: The stage is not finished, or what it was made of has been
                made again since; names the command that mends it.
        """
        command = f"`{self.command()}`"
        if self.is_begun():
            raise RequestError(
                f"{self.path} was begun and not finished; go on with {command}, or "
                "delete the folder."
            )
        if not self.is_complete():
            raise RequestError(
                f"{self.run_dir} has no finished {self.name} stage; run {command} "
                "first."
            )
        if self.is_outdated():
            raise RequestError(
                f"{self.path} was made of a model that has been made again since; run "
                f"{command}."
            )
        return self.model_path

    def command(self) -> str:
        """Returns the command that makes the stage, or goes on with it."""
        made_from = self._made_from() or {}
        return name_command(VERBS[self.name], self.run_dir, made_from)

    def discard(self) -> None:
        """Deletes the stage's folder."""
        if self.path.exists():
            shutil.rmtree(self.path)


def latest_stage(run_dir: Path, names: Sequence[str]) -> Stage:
    """Returns the last of `names` that is finished or begun; the first if none is."""
    stages = [Stage(run_dir, name) for name in names]
    there = [stage for stage in stages if stage.is_complete() or stage.is_begun()]
    return there[-1] if there else stages[0]


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
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
