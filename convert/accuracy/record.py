"""The accuracy comparison in the folder of a stage."""

from corallite.convert.accuracy.gate import AccuracyComparison
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
