"""Measures the exported files of a run: answers on the test split, and latency."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from absl import logging

from corallite.convert.evaluate.metrics import open_file, predict_by
from corallite.convert.export.registry import MODULES, find_target
from corallite.device.benchmark.measure import time_files
from corallite.device.system import files
from corallite.optimize.keras_graph.load import load_model
from corallite.train.data.load import ImageData, Split
from corallite.train.runs.kinds import export_stage
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage
from corallite.train.training.predictions import predict

# Beside the run's stages: what was measured, by the hashes of the files.
_CACHE = "exports/table.json"


@dataclasses.dataclass(frozen=True)
class Row:
    """One exported file.

    Attributes:
        name: Of its target.
        source: The stage that it was made from.
        file_bytes: Of all its files.
        top1: On the test split, 0 to 1.
        agreement: Share of the images that get the label of `source`.
        largest: The largest difference of a probability from that of `source`.
        p50_ms: Median latency of one inference with one thread.
    """

    name: str
    source: str
    file_bytes: int
    top1: float
    agreement: float
    largest: float
    p50_ms: float


def measure(run: Run, data: ImageData) -> list[Row]:
    """Returns the row of each file, int8 first."""
    stages = {x: run.stage(export_stage(x)) for x in MODULES}
    stages = {
        name: stage
        for name, stage in stages.items()
        if stage.is_complete() and find_target(name).runner is not None
    }
    hashes = {name: stage.sha256() for name, stage in stages.items()}
    cache = run.path / _CACHE
    known = files.read_record(cache, dict) if cache.exists() else {}
    if known.get("files") != hashes or known.get("data") != data.fingerprint:
        rows = _measure(stages, data.splits["test"])
        known = {
            "files": hashes,
            "data": data.fingerprint,
            "rows": [dataclasses.asdict(row) for row in rows],
        }
        files.write_json(cache, known)
    return [Row(**row) for row in known["rows"]]


def _measure(stages: Mapping[str, Stage], split: Split) -> list[Row]:
    times = time_files([stage.model_path for stage in stages.values()])
    answers: dict[str, np.ndarray] = {}
    rows = []
    for (name, stage), p50_ms in zip(stages.items(), times, strict=True):
        logging.info("%s: %d test images.", name, len(split.labels))
        parent = stage.parent()
        if parent is None:
            raise ValueError(f"Expected {stage.path} to have a parent.")
        if parent.name not in answers:
            answers[parent.name] = predict_stage(parent, split)
        answers[stage.name] = predict_stage(stage, split)
        rows.append(_compare(name, stage, parent.name, answers, split, p50_ms))
    return rows


def predict_stage(stage: Stage, split: Split) -> np.ndarray:
    """Returns the probabilities of a stage's model, float32 `[n, classes]`."""
    if stage.kind.is_keras:
        return predict(load_model(stage.model_path), split)
    # Keras gives probabilities as they are, before the temperature of the manifest.
    manifest = open_file(stage.model_path).manifest.with_classes(refusal=None)
    return predict_by(open_file(stage.model_path, manifest), split)


def _compare(
    name: str,
    stage: Stage,
    source: str,
    answers: Mapping[str, np.ndarray],
    split: Split,
    p50_ms: float,
) -> Row:
    found, expected = answers[stage.name], answers[source]
    labels = found.argmax(1)
    return Row(
        name,
        source,
        sum(path.stat().st_size for path in stage.list_files()),
        float(np.mean(labels == split.labels)),
        float(np.mean(labels == expected.argmax(1))),
        float(np.abs(found - expected).max()),
        p50_ms,
    )
