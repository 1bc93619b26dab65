"""Makes the rows of the tables: their runs, by the commands that a user would give."""

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from absl import logging
from rows import Row

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.record import hash_file
from corallite.train.runs.run import Run

# Written into the run of a row when it is finished.
DONE_FILE = "row.json"
SPLIT = "test"
_TRAININGS = ("prune", "quantize")
# Of table 3. With ten times less weight decay, networks of separable blocks overfit in
# 90 epochs (docs/results.md, "Against ResNet-8").
_SMALL_FLAGS = ("--ema=0.999", "--weight_decay=0.005")

# Runs `corallite` with these arguments; returns its exit status.
Corallite = Callable[[Sequence[str]], int]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all rows have in common.

    Attributes:
        data_dir: The class folders.
        epochs: Of the networks of the first two tables.
        small_epochs: Of those of the third.
        later_epochs: Of pruning and of quantization-aware training each; None for
            their defaults.
        seed: Of all trainings.
        small_flags: For the trainings of the third table, in addition.
    """

    data_dir: Path
    epochs: int = 30
    small_epochs: int = 90
    later_epochs: int | None = None
    seed: int = 0
    small_flags: tuple[str, ...] = ()


def select(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Returns the rows of these names, and all that belong to them, in order.

    Raises:
        RequestError: There is no such row.
    """
    known = {row.name: row for row in rows}
    wanted: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in known:
            raise RequestError(
                f"--rows: there is no row {name!r}; choose from {', '.join(known)}."
            )
        if name not in wanted:
            wanted.add(name)
            row = known[name]
            left += filter(None, row.others())
    return [row for row in rows if row.name in wanted]


def make(row: Row, root: Path, settings: Settings, corallite: Corallite) -> None:
    """Makes a row, unless it was made with the same commands.

    Args:
        row: Those that it needs are made.
        root: Folder of the runs.
        settings: Of all rows.
        corallite: Runs a command. An interrupted one resumes.

    Raises:
        RequestError: A command failed; it said why.
    """
    folder = root / row.name
    if row.copies:
        copy_float(root / row.copies, folder)
    commands = list(list_commands(row, root, settings))
    done = folder / DONE_FILE
    content = {"commands": [list(command) for command in commands]}
    if done.exists() and files.read_record(done, dict) == content:
        logging.info("%s: done already.", row.name)
        return
    done.unlink(missing_ok=True)
    for command in commands:
        status = corallite(command)
        # `evaluate` has measured everything, even if it finds a fault.
        if status and (command[0], status) != ("evaluate", 1):
            raise RequestError(
                f"{row.name}: corallite {' '.join(command)} failed; see above, and run "
                "this again."
            )
    files.write_json(done, content)


def list_commands(
    row: Row, root: Path, settings: Settings
) -> Iterator[tuple[str, ...]]:
    """Yields the arguments of each command of a row."""
    run_dir = f"--run_dir={root / row.name}"
    seed = f"--seed={settings.seed}"
    if not row.copies:
        yield ("train", run_dir, seed, *_list_training_flags(row, root, settings))
    for step in row.steps:
        verb, *given = step.split()
        if "--method=channels" in given:
            given += _list_limits(row, root)
        if verb in _TRAININGS:
            given.append(seed)
            if settings.later_epochs is not None:
                given.append(f"--epochs={settings.later_epochs}")
        yield (verb, run_dir, *given)
    yield ("evaluate", run_dir, f"--part={SPLIT}")


def copy_float(source: Path, folder: Path) -> None:
    """Makes a run with the float stage of another, unless it has the same.

    The decoded images are the same files: nothing changes them in place.
    """
    if folder.exists():
        models = (Run.open(x).first().model_path for x in (source, folder))
        if len({hash_file(path) for path in models}) == 1:
            return
        # The network was trained anew, and all else was made from the former.
        shutil.rmtree(folder)
    partial = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source / "cache", partial / "cache", copy_function=os.link)
    shutil.copytree(source / "float", partial / "float")
    for name in ("run.json", "split.json", "classes.txt"):
        shutil.copy(source / name, partial)
    partial.rename(folder)


def _list_training_flags(row: Row, root: Path, settings: Settings) -> list[str]:
    epochs = settings.epochs if row.table < 3 else settings.small_epochs
    given = [f"--data_dir={settings.data_dir}", "--image_size=32"]
    # A network may say how long it is trained.
    given += [f"--epochs={epochs}", *row.network]
    if row.table == 3:
        given += [*_SMALL_FLAGS, *settings.small_flags]
    if row.teacher:
        given.append(f"--teacher={root / row.teacher}")
    return given


def _list_limits(row: Row, root: Path) -> list[str]:
    """Returns the flags of a share of the latency that was measured for another row."""
    if not row.latencies:
        return []
    stage = Run.open(root / row.latencies).stage("slim")
    before: Any = stage.recall(lambda x: float(x["predicted_before"]["latency_ms"]))
    return [
        f"--board={stage.path / 'latencies.json'}",
        f"--max_latency_ms={row.share * before:.6g}",
    ]
