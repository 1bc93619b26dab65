"""A run: a folder and the stages in it."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs import lock
from corallite.train.runs.kinds import KINDS, depth, export_stage, find_kind
from corallite.train.runs.stage import Stage

_T = TypeVar("_T")
RUN_FILE = "run.json"


@dataclasses.dataclass(frozen=True)
class Run:
    """A run folder. Get one from `Run.open`.

    Attributes:
        path: The folder; `train` creates it.
    """

    path: Path
    _holders: list[str] = dataclasses.field(
        default_factory=list, compare=False, repr=False
    )

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Returns the run in a folder, which may not exist yet.

        Raises:
            RequestError: The path is not a folder.
        """
        files.require_folder(path)
        return cls(path)

    @contextlib.contextmanager
    def lock(self, verb: str) -> Iterator[None]:
        """Keeps other processes from changing the run during the block.

        All that writes into a run holds it, evaluations and reports too: they would
        mix results of the run as it was with those of the other process.

        Raises:
            RequestError: Another process holds the lock; the message names it.
        """
        if self._holders:
            yield
            return
        with lock.hold(self.path, verb):
            self._holders.append(verb)
            try:
                yield
            finally:
                self._holders.clear()

    def stage(self, name: str) -> Stage:
        """Returns the stage of a kind, whether or not it has been made."""
        return Stage(self, find_kind(name))

    def first(self) -> Stage:
        """Returns the first stage, the origin of all others."""
        return next(self.stage(x.name) for x in KINDS.values() if not x.parents)

    def stages(self) -> list[Stage]:
        """Returns the finished stages that are not outdated, parents first."""
        return [stage for stage in self._finished() if not stage.is_outdated()]

    def outdated_stages(self) -> list[Stage]:
        """Returns the finished stages that `stages` leaves out."""
        return [stage for stage in self._finished() if stage.is_outdated()]

    def lineage(self, stage: Stage) -> list[Stage]:
        """Returns the ancestors of `stage`, the first stage first, and itself."""
        parent = stage.parent()
        return [*(self.lineage(parent) if parent else []), stage]

    def latest(self, *names: str) -> Stage:
        """Returns the last stage of `names` in the run graph that is finished or begun.

        If there is none, returns the first of `names`.
        """
        stages = [self.stage(name) for name in sorted(names, key=depth)]
        there = [stage for stage in stages if stage.is_complete() or stage.is_begun()]
        return there[-1] if there else stages[0]

    def _finished(self) -> list[Stage]:
        exports = sorted(self.path.glob("exports/*/"))
        names = [*KINDS, *(export_stage(x.name) for x in exports)]
        stages = map(self.stage, sorted(names, key=depth))
        return [stage for stage in stages if stage.is_complete()]

    def is_recorded(self) -> bool:
        """Returns whether `run.json` exists."""
        return (self.path / RUN_FILE).exists()

    def record(self, content: dict[str, Any]) -> None:
        """Writes `run.json`: the data, the network and the settings of the run."""
        files.write_json(self.path / RUN_FILE, content)

    def recall(self, parse: Callable[[dict[str, Any]], _T]) -> _T:
        """Returns what `parse` returns for the content of `run.json`.

        Raises:
            RequestError: The folder is not a run, or `parse` fails on its record.
        """
        if not self.is_recorded():
            raise RequestError(
                f"{self.path} is not a run folder; make one with "
                f"corallite train --data_dir=FOLDER --run_dir={self.path}."
            )
        return files.read_record(self.path / RUN_FILE, parse)
