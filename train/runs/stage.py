"""A stage of a run: its inputs, and whether it has to be made again."""

import dataclasses
import datetime
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from absl import logging

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.commands import (
    find_first_verb,
    format_command,
    list_flags,
    list_run_flags,
)
from corallite.train.runs.kinds import UNTAUGHT, StageKind
from corallite.train.runs.predictions import PredictionSummary
from corallite.train.runs.record import (
    as_json,
    complete,
    describe_difference,
    hash_file,
    package_versions,
    read_header,
)

if TYPE_CHECKING:
    from corallite.train.runs.run import Run

_T = TypeVar("_T")
STATE_FILE = "training_state.npz"
# Flags of the command whose files the inputs identify by content, wherever they are.
FLAGS_FILE = "flags.json"
_METRICS_FILE = "metrics.json"


@dataclasses.dataclass(frozen=True)
class Stage:
    """One sub-folder of a run, made by one verb from one other stage, its parent.

    A stage is finished when its `metrics.json` exists, which is written last.
    """

    run: "Run"
    kind: StageKind

    @property
    def name(self) -> str:
        return self.kind.name

    @property
    def path(self) -> Path:
        return self.run.path / self.name

    @property
    def model_path(self) -> Path:
        return self.list_files()[0]

    def list_files(self) -> list[Path]:
        """Returns the files of the stage, the model first."""
        names = self.metrics().get(self.kind.files_key) or [self.kind.artifact]
        if self.kind.is_export:
            return [self.path / name for name in names]
        # By name, because the run may have been moved since.
        return [self.path / Path(name).name for name in names]

    def runner(self) -> str | None:
        """Returns how the model is run, see `StageKind`."""
        return self.metrics().get("runner", self.kind.runner)

    def sha256(self) -> str:
        """Returns the hash of the model."""
        return hash_file(self.model_path)

    def is_complete(self) -> bool:
        """Returns whether the stage is finished and its files still exist."""
        return self.metrics() != {} and all(x.exists() for x in self.list_files())

    def is_begun(self) -> bool:
        """Returns whether the stage was begun and is not finished."""
        left = (self.path / STATE_FILE, self.model_path)
        return not self.is_complete() and any(path.is_file() for path in left)

    def is_outdated(self) -> bool:
        """Returns whether an ancestor of a finished stage was removed or changed."""
        had_parent = self.metrics().get("inputs", {}).get("parent")
        there = (self.run.stage(name).is_complete() for name in self.kind.parents)
        return bool(had_parent) and any(there) and self.parent() is None

    def parent(self) -> "Stage | None":
        """Returns the stage that this one was made from.

        If the record does not name the parent, it is found by its hash.

        Returns:
            None for the first stage, or if the parent was removed or changed.
        """
        record = self.metrics()
        sha256 = record.get("inputs", {}).get("parent")
        for name in self.kind.parents:
            stage = self.run.stage(name)
            if record.get("parent", name) != name or not stage.is_complete():
                continue
            if stage.sha256() == sha256 and not stage.is_outdated():
                return stage
        return None

    def is_done(self, inputs: dict[str, Any], overwrite: bool = False) -> bool:
        """Returns whether the stage was finished with exactly these inputs.

        A training whose inputs name no teacher has none.

        Raises:
            RequestError: It was finished or begun with others, and `overwrite` is
                off.
        """
        untaught = UNTAUGHT if self.kind.recipe else {}
        inputs = as_json(complete({**untaught, **inputs}))
        if not overwrite:
            self.refuse_other_settings(inputs)
        is_done = self.is_complete() and self._made_with(inputs) == inputs
        if is_done:
            logging.info("%s: done already.", self.name)
            self._warn_if_useless()
        return is_done

    def refuse_other_settings(self, settings: dict[str, Any]) -> None:
        """Refuses a stage that was finished or begun with other `settings`.

        The parent is not compared: it may change without a mistake of the user.

        Raises:
            RequestError: It has other values of `settings`.
        """
        if self._made_from() is None:
            return
        settings = as_json(settings)
        difference = describe_difference(self._made_with(settings), settings)
        if difference:
            state = "made" if self.is_complete() else "begun"
            raise RequestError(
                f"{self.path} was {state} with other settings ({difference}); give "
                "another --run_dir, or --overwrite to make it again."
            )

    def finish(
        self,
        inputs: dict[str, Any],
        metrics: dict[str, Any],
        parent: "Stage | None" = None,
    ) -> None:
        """Records the inputs and the results of the stage, which finishes it.

        Args:
            inputs: Everything that the stage depends on; "parent" is the parent's hash.
            metrics: More keys of the record.
            parent: The stage that it was made from; None for the first one.
        """
        record = {
            "kind": self.name,
            **({"parent": parent.name} if parent else {}),
            "inputs": as_json(inputs),
            "finished": datetime.datetime.now().astimezone().isoformat("T", "seconds"),
            "versions": package_versions(),
            **metrics,
        }
        files.write_json(self.path / _METRICS_FILE, record)
        self._warn_if_useless()

    def reopen(self) -> None:
        """Marks the stage as not finished, before it is made again."""
        (self.path / _METRICS_FILE).unlink(missing_ok=True)

    def metrics(self) -> dict[str, Any]:
        """Returns the record of `finish`; empty if the stage is not finished."""
        if not (self.path / _METRICS_FILE).exists():
            return {}
        return self.recall(lambda x: {**x, "inputs": complete(x["inputs"])})

    def recall(self, parse: Callable[[dict[str, Any]], _T]) -> _T:
        """Returns what `parse` returns for the record of a finished stage.

        Raises:
            RequestError: `parse` fails on the record.
        """
        return files.read_record(self.path / _METRICS_FILE, parse)

    def predictions(self) -> PredictionSummary | None:
        """Returns what the model predicts on the validation split.

        None if the record does not say, as those of earlier versions.

        Raises:
            RequestError: The record is damaged.
        """
        if "predictions" not in self.metrics():
            return None
        return self.recall(lambda x: PredictionSummary.from_json(x["predictions"]))

    def require(self) -> Path:
        """Returns the path of the finished stage's model.

        Raises:
            RequestError: The stage is not finished, or an ancestor has changed since;
                the message has the command to run.
        """
        command = f"`{self.command()}`"
        if self.is_begun():
            raise RequestError(
                f"{self.path} was begun and not finished; resume it with {command}, or "
                "delete the folder."
            )
        if not self.is_complete():
            raise RequestError(
                f"{self.run.path} has no finished {self.name} stage; run {command} "
                "first."
            )
        if self.is_outdated():
            raise RequestError(
                f"{self.path} is outdated: the model that it was made from has changed "
                f"since; run {command}."
            )
        return self.model_path

    def command(self) -> str:
        """Returns the command that makes the stage, or resumes it."""
        verb = self.kind.verb
        if self.kind.parents:
            flags = list_flags(self.kind, self._made_from() or {})
            if (self.path / FLAGS_FILE).exists():
                flags |= files.read_record(self.path / FLAGS_FILE, dict)
        elif self.run.is_recorded():
            flags = self.run.recall(list_run_flags)
            verb = self.run.recall(find_first_verb)
        else:
            flags = {"data_dir": "FOLDER"}
        return format_command(verb, {"run_dir": self.run.path, **flags})

    def record_flags(self, flags: Mapping[str, str]) -> None:
        """Keeps flags that `command` adds, and that are not compared."""
        path = self.path / FLAGS_FILE
        path.unlink(missing_ok=True)
        if flags:
            files.write_json(path, dict(flags))

    def recorded_recipe(self) -> dict[str, Any]:
        """Returns the recipe of the training, if it was finished or begun; else {}."""
        recipe: dict[str, Any] = (self._made_from() or {}).get("recipe", {})
        return recipe

    def discard(self) -> None:
        """Deletes the stage's folder."""
        if self.path.exists():
            shutil.rmtree(self.path)

    def _warn_if_useless(self) -> None:
        summary = self.predictions()
        fault = (
            summary.explain_fault(f"The {self.name} model", "val") if summary else ""
        )
        if fault:
            logging.warning("%s %s", fault, self.kind.suggestion)

    def _made_with(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Returns the inputs of the stage.

        Those of `settings` that an earlier version did not record had their defaults.
        """
        defaults = {**UNTAUGHT, **self.kind.settings}
        usual = {name: defaults[name] for name in settings if name in defaults}
        made = self._made_from() or {}
        if made.get("teacher") is not None:
            # Recorded before there was a choice; no flag asks for it now.
            usual["teacher_loss"] = "mean"
        return {**usual, **made}

    def _made_from(self) -> dict[str, Any] | None:
        """Returns the inputs of the finished stage, or of its unfinished training."""
        if self.is_complete():
            return self.metrics()["inputs"]
        header = read_header(self.path / STATE_FILE)
        return header and header["inputs"]
