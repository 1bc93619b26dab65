"""The accuracy comparisons in the folder of a stage."""

from pathlib import Path

from corallite.convert.accuracy.comparison import AccuracyComparison
from corallite.device.system import files
from corallite.train.runs.stage import Stage

PARITY_FILE = "parity.json"


def read_comparison(stage: Stage) -> AccuracyComparison | None:
    """Returns the recorded comparison of a stage's file.

    Returns:
        None if the stage has no such record, if it is of another file, or if a model
        that the file was made from has changed since.

    Raises:
        RequestError: The record is damaged.
    """
    path = stage.path / PARITY_FILE
    if not path.exists() or not stage.is_complete() or stage.is_outdated():
        return None
    command = f"`{stage.command()}`"
    comparison = files.read_record(path, AccuracyComparison.from_json, command)
    return comparison if comparison.file_sha256 == stage.sha256() else None


def read_rejected(stage: Stage) -> AccuracyComparison | None:
    """Returns what was measured of the last file of a stage that the gate rejected.

    Returns:
        None if there is none, or the model that it was made from has been made again
        since.

    Raises:
        RequestError: The record is damaged.
    """
    path = rejected_path(stage, PARITY_FILE)
    if not path.exists():
        return None
    command = f"`{stage.command()}`"
    parent = files.read_record(path, lambda record: record.get("parent"), command)
    if parent not in [made.sha256() for made in stage.run.stages()]:
        return None
    return files.read_record(path, AccuracyComparison.from_json, command)


def write_rejected(stage: Stage, comparison: AccuracyComparison, parent: str) -> None:
    """Writes what `read_rejected` returns; `parent` is the SHA-256 of the parent."""
    path = rejected_path(stage, PARITY_FILE)
    files.write_json(path, {**comparison.to_json(), "parent": parent})


def rejected_path(stage: Stage, name: str) -> Path:
    """Returns the place of a rejected file beside the one that it did not replace."""
    path = stage.path / name
    return path.with_name(f"{path.stem}.rejected{path.suffix}")
