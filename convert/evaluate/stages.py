"""Evaluates every stage of a run on the same images, each once."""

import dataclasses
import gzip
from pathlib import Path
from typing import Any

from absl import logging

from corallite.convert.audit.cost import count_macs
from corallite.convert.evaluate.float_tflite import export_float, make_manifest
from corallite.convert.evaluate.machine import describe_machine
from corallite.convert.evaluate.metrics import Evaluation, evaluate_file, evaluate_keras
from corallite.convert.evaluate.peak_memory import measure_peak_memory
from corallite.convert.export.int8 import INT8_FILE
from corallite.convert.tflite.queries import kernel_sparsity
from corallite.convert.tflite.reader import read_model
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.optimize.keras_graph.load import load_model
from corallite.train.data.load import ImageData, load_data
from corallite.train.runs.run import Stage, hash_file, package_versions

# Of the records of what was measured; another one is measured anew.
_FORMAT = 2


@dataclasses.dataclass(frozen=True)
class StageResult:
    """What one stage measures.

    Attributes:
        stage: Its name.
        evaluation: On the part that was asked for.
        sparsity: Zero fraction of the kernels, 0 to 1; None if none is known.
        file: What a device can run, relative to the run folder; None for "qat", whose
            file is that of "int8".
        file_bytes: Its size.
        gzipped_bytes: Its size when compressed.
        macs: Multiply-accumulates of one inference.
        peak_memory_bytes: The most that a process which runs it had at a time, Python
            and the device's libraries included; None where that is not known.
        machine: What latency and memory were measured on.
    """

    stage: str
    evaluation: Evaluation
    sparsity: float | None
    file: str | None = None
    file_bytes: int | None = None
    gzipped_bytes: int | None = None
    macs: int | None = None
    peak_memory_bytes: int | None = None
    machine: str = ""


def evaluate_run(run_dir: Path, part_name: str = "test") -> list[StageResult]:
    """Evaluates each finished stage on a part; what was measured before is kept.

    Raises:
        RequestError: The run has no data or no finished stage.
    """
    data = load_data(run_dir)
    Stage(run_dir, "float").require()
    return [_recall(stage, data, part_name) for stage in finished_stages(run_dir)]


def evaluate_one_file(
    path: Path, run_dir: Path, part_name: str, *, as_run: bool = False
) -> StageResult:
    """Evaluates any `.tflite` file on a part of a run's images.

    Raises:
        RequestError: The file cannot be run, or see `manifest_of`.
    """
    data = load_data(run_dir)
    manifest = manifest_of(path, run_dir, data, as_run)
    evaluation = evaluate_file(path, data.splits[part_name], manifest)
    return StageResult("file", evaluation, **_describe_file(path, str(path)))


def finished_stages(run_dir: Path) -> list[Stage]:
    """Returns the finished stages of a run, in the order of the road.

    One that was made of a model that is no longer there is left out, with a warning.
    """
    stages = [Stage(run_dir, name) for name in ("float", "pruned", "qat")]
    stages.append(Stage(run_dir, "int8", INT8_FILE))
    finished = [stage for stage in stages if stage.is_complete()]
    for stage in finished:
        if stage.is_outdated():
            logging.warning(
                "%s is left out: it was made of a model that has been made again "
                "since; run `%s`.",
                stage.path,
                stage.command(),
            )
    return [stage for stage in finished if not stage.is_outdated()]


def manifest_of(
    path: Path, run_dir: Path, data: ImageData, as_run: bool = False
) -> Manifest:
    """Returns the manifest of a file that is to be shown a run's images.

    Args:
        path: The file.
        run_dir: The run.
        data: Its images.
        as_run: A file whose manifest is missing or damaged is of the run's classes, in
            their order, and wants pixel/255.

    Raises:
        RequestError: It has other classes or another image size than the run, or no
            sound manifest, and `as_run` is off.
    """
    try:
        manifest = read_manifest(path)
    except RequestError:
        if not as_run:
            raise
        manifest = None
    if manifest is None and not as_run:
        read_model(path)  # What is no model is called that.
        raise RequestError(
            f"{path} carries no manifest; give --as_run if it knows the classes of "
            f"{run_dir} in their order and wants pixel/255."
        )
    manifest = manifest or make_manifest(run_dir, data, {})
    if manifest.labels != data.class_names:
        raise RequestError(
            f"{path} knows the classes {', '.join(manifest.labels)}, but {run_dir} has "
            f"images of {', '.join(data.class_names)}; give a run of the same classes."
        )
    if manifest.preprocessing != data.preprocessing:
        raise RequestError(
            f"{path} wants {manifest.preprocessing}, but the images of {run_dir} are "
            f"kept as {data.preprocessing}; give a run of the same."
        )
    return manifest


def _recall(stage: Stage, data: ImageData, part_name: str) -> StageResult:
    """Returns what was measured of this very model before, else measures it."""
    path = stage.path / f"evaluation_{part_name}.json"
    inputs = {
        "format": _FORMAT,
        "model": hash_file(stage.model_path),
        "data": data.fingerprint,
        "versions": package_versions(),
    }
    if path.exists():
        record = files.read_json(path)
        # An older record lacks what is measured today.
        if record.get("inputs") == inputs:
            return files.read_record(path, _to_result)
    logging.info("Evaluating %s on the %s part.", stage.name, part_name)
    result = _measure(stage, data, part_name)
    files.write_json(path, {"inputs": inputs, **dataclasses.asdict(result)})
    return result


def _to_result(record: dict[str, Any]) -> StageResult:
    del record["inputs"]
    evaluation = Evaluation.from_json(record.pop("evaluation"))
    return StageResult(evaluation=evaluation, **record)


def _measure(stage: Stage, data: ImageData, part_name: str) -> StageResult:
    part = data.splits[part_name]
    if stage.name == "qat":
        sparsity = stage.recall(lambda x: float(x["sparsity"]["overall"]))
        evaluation = evaluate_keras(load_model(stage.model_path), part)
        return StageResult(stage.name, evaluation, sparsity)
    path = stage.model_path if stage.name == "int8" else export_float(stage)
    shown = str(path.relative_to(stage.run_dir))
    evaluation = evaluate_file(path, part)
    return StageResult(stage.name, evaluation, **_describe_file(path, shown))


def _describe_file(path: Path, shown: str) -> dict[str, Any]:
    content = path.read_bytes()
    return {
        "sparsity": kernel_sparsity(content),
        "file": shown,
        "file_bytes": len(content),
        "gzipped_bytes": len(gzip.compress(content, mtime=0)),
        "macs": sum(map(count_macs, read_model(path).main.operators)),
        "peak_memory_bytes": measure_peak_memory(path),
        "machine": describe_machine(),
    }
