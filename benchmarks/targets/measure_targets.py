"""Measures the exported files of a run: predictions on the test split, and latency."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from absl import logging

from corallite.convert.evaluate.predict_file import open_file, predict_by
from corallite.convert.export.registry import MODULES, find_target
from corallite.device.benchmark.measure import time_files
from corallite.device.system import files
from corallite.optimize.keras_graph.load import load_model
from corallite.train.data.load import ImageData, Split
from corallite.train.runs.kinds import export_stage
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage
from corallite.train.training.predictions import predict

# Share of labels that have to be those of Keras.
LEAST_AGREEMENT = {
    "tflite_float": 0.999,
    "saved_model": 0.999,
    "onnx": 0.999,
    "openvino": 0.999,
    "tflite_float16": 0.995,
}
MOST_BELOW_INT8 = 0.003
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


def find_faults(rows: Sequence[Row]) -> list[str]:
    """Returns a sentence for each file that is not what it was made from.

    Float files have to give the labels of Keras, for 99.9 % of the images, and with
    float16 weights for 99.5 %. Others may be 0.3 percentage points below int8.
    """
    (int8,) = (row for row in rows if row.name == "int8")
    faults = []
    for row in rows:
        least = LEAST_AGREEMENT.get(row.name)
        if least is not None and row.agreement < least:
            faults.append(f"{row.name}: {100 * row.agreement:.2f} % of labels agree.")
        elif least is None and int8.top1 - row.top1 > MOST_BELOW_INT8:
            below = 100 * (int8.top1 - row.top1)
            faults.append(f"{row.name}: {below:.2f} points below int8.")
    return faults


def _measure(stages: Mapping[str, Stage], split: Split) -> list[Row]:
    times = time_files([stage.model_path for stage in stages.values()])
    predictions: dict[str, np.ndarray] = {}
    rows = []
    for (name, stage), p50_ms in zip(stages.items(), times, strict=True):
        logging.info("%s: %d test images.", name, len(split.labels))
        parent = stage.parent()
        if parent is None:
            raise ValueError(f"Expected {stage.path} to have a parent.")
        if parent.name not in predictions:
            predictions[parent.name] = predict_stage(parent, split)
        predictions[stage.name] = predict_stage(stage, split)
        rows.append(_compare(name, stage, parent.name, predictions, split, p50_ms))
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
    predictions: Mapping[str, np.ndarray],
    split: Split,
    p50_ms: float,
) -> Row:
    found, expected = predictions[stage.name], predictions[source]
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
