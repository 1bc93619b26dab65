"""Reads what was measured of a row from the records of its run."""

import dataclasses
from pathlib import Path
from typing import Any

from make_rows import DONE_FILE, SPLIT
from rows import Row

from corallite.device.system import files
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage

# Their models have the widths of the int8 file.
_FLOAT_STAGES = ("pruned", "slim", "float")


@dataclasses.dataclass(frozen=True)
class Result:
    """The figures of a row that is finished.

    Attributes:
        path: The file that a device runs: int8, or float if there is no other.
        is_int8: Whether it is int8.
        accuracies: Top-1 and its 95 % interval, by "float" and "int8".
        parameters: Of the network.
        macs: Multiply-accumulates of one inference.
        file_bytes: Of the file.
        gzipped_bytes: The same, compressed.
        predicted: The latency with fewer channels over that with all, by the latencies
            of operators; None if no channels were removed.
        seeds: Of its trainings.
        hours: Of its trainings.
        machine: Where they were measured.
    """

    path: Path
    is_int8: bool
    accuracies: dict[str, tuple[float, float, float]]
    parameters: int
    macs: int
    file_bytes: int
    gzipped_bytes: int
    predicted: float | None
    seeds: frozenset[int]
    hours: float
    machine: str


def read(row: Row, root: Path) -> Result | None:
    """Returns the result of a row; None if it is not finished.

    Raises:
        RequestError: A record is damaged.
    """
    run = Run.open(root / row.name)
    if not (run.path / DONE_FILE).exists():
        return None
    stages = {stage.name: stage for stage in run.stages()}
    network = next(stages[name] for name in _FLOAT_STAGES if name in stages)
    last = stages.get("int8", network)
    measured = {
        kind: _read_evaluation(stage)
        for kind, stage in (("float", network), ("int8", stages.get("int8")))
        if stage is not None
    }
    of_file = measured["int8" if "int8" in measured else "float"]
    made = [x for name, x in stages.items() if name != "float" or not row.copies]
    slim = stages.get("slim")
    parameters, macs = network.recall(lambda x: (int(x["parameters"]), int(x["macs"])))
    return Result(
        path=run.path / of_file["file"],
        is_int8=last.name == "int8",
        accuracies={kind: _parse_accuracy(x) for kind, x in measured.items()},
        parameters=parameters,
        macs=macs,
        file_bytes=int(of_file["file_bytes"]),
        gzipped_bytes=int(of_file["gzipped_bytes"]),
        predicted=None if slim is None else slim.recall(_predict),
        seeds=frozenset(int(x) for x in map(_find_seed, made) if x is not None),
        hours=sum(map(_sum_hours, made)),
        machine=str(of_file["machine"]),
    )


def _read_evaluation(stage: Stage) -> dict[str, Any]:
    path = stage.path / f"evaluation_{SPLIT}.json"
    record: dict[str, Any] = files.read_record(path, dict)
    return record


def _parse_accuracy(record: dict[str, Any]) -> tuple[float, float, float]:
    evaluation = record["evaluation"]
    low, high = evaluation["top1_interval"]
    return float(evaluation["top1"]), float(low), float(high)


def _predict(metrics: dict[str, Any]) -> float:
    costs = (metrics[x]["latency_ms"] for x in ("predicted", "predicted_before"))
    after, before = map(float, costs)
    return after / before


def _find_seed(stage: Stage) -> int | None:
    seed: int | None = stage.metrics()["inputs"].get("recipe", {}).get("seed")
    return seed


def _sum_hours(stage: Stage) -> float:
    """Returns the hours of a training; without those that are not epochs."""
    history = stage.metrics().get("history", [])
    return sum(float(epoch.get("seconds", 0)) for epoch in history) / 3600
